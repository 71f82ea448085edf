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

/** A migration's `down.sql`, ready to be run as one transaction. */
export interface Down {
  /** As the runner of migrations takes it. */
  readonly script: PlannedMigration;
  readonly parsed: ParsedFile;
}

/**
 * Reads and parses the `down.sql` of a migration.
 * @throws PgkeepError `ROLLBACK_REFUSED` where there is none, or none that can be run all or nothing.
 */
export async function readDown(name: string, { migrationsDirectory }: Settings): Promise<Down> {
  const file = path.join(migrationsDirectory, name, DOWN_FILE);
  const shown = path.relative(process.cwd(), file);
  const [parsed] = await parseFiles([{ path: shown, content: await readBytes(name, file, shown) }]);
  if (!parsed) throw new Error('one file in, one out');
  const { source, statements, obstacles } = parsed;
  // A block whose text nobody can judge is judged when it has run.
  const obstacle = obstacles.find(({ kind }) => kind !== 'unknown');
  if (obstacle) {
    const { line, column } = source.position(obstacle.index);
    throw rollbackRefused(
      `${shown}:${line}:${column} cannot be run: ${withoutStop(obstacle.message)}`,
      'Mend the file.',
    );
  }
  if (statements.length === 0) {
    throw rollbackRefused(
      `${shown} holds no statement, and would take nothing back`,
      'Write what takes the migration back; where there is nothing to take back: SELECT 1;',
    );
  }
  const apart = statements.find(({ node, sql }) => mayCommit(node, sql));
  if (apart) {
    const { line, column } = source.position(apart.index);
    throw rollbackRefused(
      `${shown}:${line}:${column} (${source.line(line).trim().slice(0, 60)}) runs in no transaction, or begins or ends one, and a rollback is one transaction, all of it or nothing`,
      'Write it without CONCURRENTLY, BEGIN and COMMIT: it waits for its locks no longer than MIGRATIONS_LOCK_TIMEOUT.',
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
      throw rollbackRefused(`${shown} cannot be read: ${messageOf(error)}`, 'Mend the file.');
    }
    throw rollbackRefused(
      `migration ${name} has no down.sql`,
      [
        'Have it written on a development database, review it, and commit it:',
        `  npx pgkeep migrate create --down-for ${name}`,
      ].join('\n'),
    );
  }
}
