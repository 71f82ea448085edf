import type { ClientBase } from 'pg';
import { jsonArray } from '../ledger/read-ledger.js';
import type { LedgerEntry } from '../ledger/ledger-entry.js';

/** So many lines are sent in one statement. */
const BATCH = 10_000;

/** Copies actions and their lines into a database's ledger; those that it has stay as they are. */
export async function copyEntries(client: ClientBase, entries: readonly LedgerEntry[]): Promise<void> {
  for (const { action, lines } of entries) {
    const { id, openedAt, action: name, actor, role } = action;
    // No transaction of this database has the number 0: the copied action opens nothing.
    await client.query(
      `INSERT INTO pgkeep.privacy_action (id, opened_at, txid, action, actor, role)
       VALUES ($1, $2, 0, $3, $4, $5) ON CONFLICT DO NOTHING`,
      [id, openedAt, name, actor, role],
    );
    for (let from = 0; from < lines.length; from += BATCH) {
      const batch = lines
        .slice(from, from + BATCH)
        .map(({ table, key, what }) => `{"table":${JSON.stringify(table)},"key":${key},"what":"${what}"}`);
      await client.query(
        `INSERT INTO pgkeep.privacy_row (action_id, table_name, key, what)
         SELECT $1, l."table", l.key, l.what
           FROM pg_catalog.jsonb_to_recordset($2::jsonb) AS l ("table" text, key jsonb, what text)
             ON CONFLICT DO NOTHING`,
        [id, jsonArray(batch)],
      );
    }
  }
}
