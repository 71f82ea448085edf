import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Settings } from '../../config/settings.js';
import { errorCode, messageOf } from '../../core/errors.js';
import { withoutStop } from '../../core/text.js';
import { DOWN_FILE } from '../../migrations/history/migration-directory.js';
import { type ParsedFile, parseFiles } from '../../migrations/sql/parse-files.js';
import { mayCommit } from '../apply/execution-mode.js';
import type { PlannedMigration } from '../deploy/deploy.types.js';
import { rollbackRefused } from '../refusals.js';

/** A migration's `down.sql`, checked to run as one transaction. */
export interface Down {
  /** In the shape that the runner of migrations takes. */
  readonly script: PlannedMigration;
  readonly parsed: ParsedFile;
}

/**
 * Reads and parses the `down.sql` of a migration.
 * @throws PgkeepError `ROLLBACK_REFUSED` if it is missing or cannot run as one transaction.
 */
export async function readDown(name: string, { migrationsDirectory }: Settings): Promise<Down> {
  const file = path.join(migrationsDirectory, name, DOWN_FILE);
  const shown = path.relative(process.cwd(), file);
  const [parsed] = await parseFiles([{ path: shown, content: await readBytes(name, file, shown) }]);
  if (!parsed) throw new Error('one file in, one out');
  const { source, statements, obstacles } = parsed;
  // What a DO block removes is found after it has run.
  const obstacle = obstacles.find(({ kind }) => kind !== 'unknown');
  if (obstacle) {
    const { line, column } = source.position(obstacle.index);
    throw rollbackRefused(
      `${shown}:${line}:${column} cannot be run: ${withoutStop(obstacle.message)}`,
      'Fix the file.',
    );
  }
  if (statements.length === 0) {
    throw rollbackRefused(
      `${shown} contains no statement, so it would undo nothing`,
      'Write the SQL that undoes the migration. If there is nothing to undo: SELECT 1;',
    );
  }
  const apart = statements.find(({ node, sql }) => mayCommit(node, sql));
  if (apart) {
    const { line, column } = source.position(apart.index);
    throw rollbackRefused(
      `${shown}:${line}:${column} (${source.line(line).trim().slice(0, 60)}) cannot run in a transaction, or begins or ends one; a rollback runs as one transaction`,
      'Remove CONCURRENTLY, BEGIN and COMMIT. MIGRATIONS_LOCK_TIMEOUT limits how long it waits for locks.',
    );
  }
  const script = { name, file: shown, sql: source.text, statements: statements.length, isAtomic: true };
  return { script, parsed };
}

async function readBytes(name: string, file: string, shown: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') {
      throw rollbackRefused(`${shown} cannot be read: ${messageOf(error)}`, 'Fix the file.');
    }
    throw rollbackRefused(
      `migration ${name} has no down.sql`,
      [
        'Generate it on a development database, review it, and commit it:',
        `  npx pgkeep migrate create --down-for ${name}`,
      ].join('\n'),
    );
  }
}
