import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Client, ClientBase } from 'pg';
import type { Settings } from '../../config/settings.js';
import { judgeEdits } from '../../migrations/lint/edited-files.js';
import { SchemaMemory } from '../../migrations/lint/schema-memory.js';
import { readTableSizes } from '../../migrations/lint/table-sizes.js';
import { type ParsedFile, parseFiles, touchedTables } from '../../migrations/sql/parse-files.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { courseOf } from '../apply/execution-mode.js';
import type { DeployNeeds } from '../deploy-dependencies.js';
import { projectNotes, requireBaseline, requireNoFailedAttempt } from '../preconditions.js';
import { refusalOfLosses } from '../protected-losses.js';
import { type ProtectedTable, readProtectedTables } from '../protected-tables.js';
import { refused } from '../refusals.js';
import type { DeployPlan, PlannedMigration, PlannedTable } from './deploy.types.js';
import { judgeHistory } from './judge-history.js';

/** A plan, and what its files were parsed into. */
export interface Draft {
  readonly plan: DeployPlan;
  readonly parsed: readonly ParsedFile[];
  readonly protectedTables: readonly ProtectedTable[];
}

/**
 * Looks at the history, then at what is pending.
 * @throws PgkeepError `DEPLOY_REFUSED` where the history allows nothing; what the lint or the connection throws.
 */
export async function draftPlan(
  client: Client,
  { settings, timeouts, migrations, lint }: DeployNeeds,
  { outOfOrder, notes }: { outOfOrder: boolean; notes: readonly string[] },
): Promise<Draft> {
  const { deploy, database, environment } = settings;
  const report = await migrations.report(client, timeouts);
  if ('fault' in report) throw refused(lowerFirst(report.fault.text), report.fault.hint);
  if (report.history.rows !== undefined) {
    await requireNoFailedAttempt(client, database.url.schema, timeouts);
  }
  const edits = await judgeEdits(report.changed, report.history.rows ?? [], settings.migrationsDirectory);
  const verdict = judgeHistory(report.status, report.history, edits, outOfOrder);
  if (verdict.refusal) throw verdict.refusal;
  const { protectedTables: names, ...limits } = deploy;
  const { schema } = database.url;
  const protection = await readProtectedTables(client, names, { schema, timeouts });
  const { tables: protectedTables } = protection;
  const plan = {
    database: database.url.database,
    environment,
    ...limits,
    protectedTables: protectedTables.map(({ name }) => name),
    notes: [...notes, ...projectNotes(settings.prisma), ...verdict.notes, ...protection.notes],
  };
  const [first] = verdict.pending;
  if (first === undefined) {
    return { plan: { ...plan, migrations: [], tables: [], lint: null }, parsed: [], protectedTables };
  }
  if (report.history.rows === undefined) await requireBaseline(client, settings, first, timeouts);
  const { parsed, ...read } = await readPlan(client, verdict.pending, settings, timeouts);
  const refusal = refusalOfLosses(parsed, protectedTables, schema);
  if (refusal) throw refusal;
  const judged = await lint.lint({ squawk: false, engine: 'pgkeep' });
  return { plan: { ...plan, ...read, lint: judged }, parsed, protectedTables };
}

/** @throws PgkeepError `DEPLOY_REFUSED` where the lint found an error. */
export function requireNoErrors({ lint }: DeployPlan): void {
  const count = lint?.counts.error ?? 0;
  if (count === 0) return;
  throw refused(
    `the lint found ${count === 1 ? 'an error' : `${count} errors`} in what is pending`,
    [
      'Rewrite the migration as the finding says; or, where it is intended, above the statement: -- pgkeep:allow RULE because REASON',
      ...(lint?.isNewDatabase === true
        ? []
        : [
            'Where other databases applied it long ago, list it as history, and commit the file that this writes: npx pgkeep migrate lint --write-baseline',
          ]),
    ].join('\n'),
  );
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/**
 * Reads the files of pending migrations, and the sizes of the tables that they name.
 * @throws what the file system or the connection throws.
 */
async function readPlan(
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
