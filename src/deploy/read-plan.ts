import path from 'node:path';
import { readFile } from 'node:fs/promises';
import type { ClientBase } from 'pg';
import type { Settings } from '../config/settings.js';
import type { ReadTimeouts } from '../postgres/read.js';
import { parseFiles, touchedTables, type ParsedFile } from '../migrations/lint/parse-files.js';
import { SchemaMemory } from '../migrations/lint/schema-memory.js';
import { readTableSizes } from '../migrations/lint/table-sizes.js';
import type { PlannedMigration, PlannedTable } from './deploy.types.js';
import { courseOf } from './apply/course.js';

/**
 * Reads the files of pending migrations, and the sizes of the tables that they name.
 * @throws what the file system or the connection throws.
 */
export async function readPlan(
  client: ClientBase,
  names: readonly string[],
  { migrationsDirectory, database }: Settings,
  timeouts: ReadTimeouts,
): Promise<{ migrations: PlannedMigration[]; tables: PlannedTable[]; parsed: readonly ParsedFile[] }> {
  const files = await Promise.all(
    names.map(async (name) => {
      const file = path.join(migrationsDirectory, name, 'migration.sql');
      // As the engine reads it: a byte order mark stays where it is.
      return { path: path.relative(process.cwd(), file), content: await readFile(file, 'utf8'), name };
    }),
  );
  const parsed = await parseFiles(files);
  const migrations = parsed.map((one, index) => ({
    name: names[index] ?? '',
    file: one.file.path,
    sql: files[index]?.content ?? '',
    statements: one.statements.length,
    isAtomic: courseOf(one).kind === 'transaction',
  }));
  const schema = new SchemaMemory(database.url.schema);
  const touched = new Set(touchedTables(parsed).map((table) => schema.key(table)));
  const sizes = await readTableSizes(client, [...touched], timeouts);
  const tables = [...sizes].map(([name, { rows, bytes }]) => ({ name, rows, bytes }));
  return { migrations, tables: tables.toSorted((left, right) => right.bytes - left.bytes), parsed };
}
