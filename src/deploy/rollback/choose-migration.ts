import type { MigrationHistory, MigrationStatus } from '../../migrations/migrations.types.js';
import type { EditedFile } from '../../migrations/lint/edited-files.js';
import { boundedList } from '../../core/bounded-list.js';
import { rollbackRefused } from '../refused.js';

/**
 * The newest applied migration: the only one that may be taken back, since those on top of it build on it. Pure.
 * @param edits files that were changed after they were applied, in more than their comments
 * @param asked the name that was typed
 * @throws PgkeepError `ROLLBACK_REFUSED`.
 */
export function chooseMigration(
  status: MigrationStatus,
  { rows = [] }: Pick<MigrationHistory, 'rows'>,
  edits: readonly EditedFile[],
  asked: string | undefined,
): string {
  // In the order in which they were applied, whatever their names.
  const applied = rows.filter(({ finished, rolledBack }) => finished && !rolledBack).map(({ name }) => name);
  const newest = applied.at(-1);
  if (newest === undefined) throw rollbackRefused('no migration is applied', 'See `pgkeep migrate status`.');
  if (asked !== undefined && asked !== newest) throw notTheNewest(asked, applied, rows);
  if (status.unknown.includes(newest)) {
    throw rollbackRefused(
      `the newest applied migration, ${newest}, is not in this directory: the database is ahead of this build`,
      'Check out the build that has it; its down.sql is there, too.',
    );
  }
  if (edits.some(({ name, acceptedBecause }) => name === newest && acceptedBecause === undefined)) {
    throw rollbackRefused(
      `migration ${newest} was changed after it was applied: its down.sql may take back something else`,
      `Restore the file from version control: \`git log -p -- '*/${newest}/*'\``,
    );
  }
  return newest;
}

function notTheNewest(
  asked: string,
  applied: readonly string[],
  rows: NonNullable<MigrationHistory['rows']>,
) {
  const place = applied.lastIndexOf(asked);
  if (place !== -1) {
    const above = applied.slice(place + 1);
    return rollbackRefused(
      `migration ${asked} is not the newest: on top of it ${above.length === 1 ? 'is' : 'are'} ${boundedList(above)}`,
      `The newest goes first: \`npx pgkeep migrate rollback ${above.at(-1)}\``,
    );
  }
  const isRolledBack = rows.some(({ name, rolledBack }) => name === asked && rolledBack);
  return rollbackRefused(
    `migration ${asked} is ${isRolledBack ? 'rolled back already' : 'not applied'}`,
    `The newest applied one is ${applied.at(-1)}. See \`pgkeep migrate status\`.`,
  );
}
