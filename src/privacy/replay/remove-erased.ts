import type { ClientBase } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import type { LedgerEntry } from '../ledger/ledger-entry.js';
import { jsonArray } from '../ledger/read-ledger.js';
import { hasKey } from '../row-tables.js';
import { planReplay } from './plan-replay.js';
import { readReplayTables } from './replay-tables.js';

/**
 * Removes erased rows from tables of an additional database that serves no application: also those that were anonymized,
 * whose values in use are newer.
 * @param tables their names in the ledger
 * @returns how many rows were removed.
 * @throws PgkeepError `RESTORE_REFUSED` if the rows cannot be found.
 */
export async function removeErased(
  client: ClientBase,
  entries: readonly LedgerEntry[],
  tables: ReadonlySet<string>,
): Promise<number> {
  const plan = planReplay(entries)
    .map(({ table, deleted, anonymized }) => ({
      table,
      deleted: [...deleted, ...anonymized],
      anonymized: [],
      marked: [],
      restored: [],
    }))
    .filter(({ table, deleted }) => tables.has(table) && deleted.length > 0);
  const found = await readReplayTables(client, plan, { rules: undefined, defaultSchema: '' });
  let removed = 0;
  for (const { rows: table, replay } of found) {
    if (table.personalKey.size > 0) throw hashed(table.name);
    const { rowCount } = await client.query(`DELETE FROM ${table.sql} t WHERE ${hasKey(table, 't', '$1')}`, [
      jsonArray(replay.deleted),
    ]);
    removed += rowCount ?? 0;
  }
  return removed;
}

function hashed(table: string): PgkeepError {
  return new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to restore the rows of ${table}: some were erased since the backup, and their keys are hashed with a salt that the additional database does not have. Nothing was changed.`,
    {
      hint: 'Restore the complete backup, or add `--without-erasures` and remove the erased people yourself.',
    },
  );
}
