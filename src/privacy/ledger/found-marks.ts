import { type ClientBase, escapeIdentifier, escapeLiteral } from 'pg';
import { POLICY_SCHEMA } from '../../policy/policy-texts.js';
import { keySql, type RowTable, utcSql } from '../row-tables.js';
import { jsonArray } from './read-ledger.js';

/** So many rows are recorded in one transaction. */
const BATCH = 5000;
/** Marks are set with the time of day; older ones were found when they were new, or by a complete search. */
const WINDOW = '1 day';

/** The actions that this module opens. */
const ACTIONS = { marked: 'found-mark', restored: 'found-restore' } as const;

/** Returns whether the functions that record rows are in the database: the rules were applied. */
export async function hasPolicy(client: ClientBase): Promise<boolean> {
  const sql = `SELECT FROM pg_catalog.pg_namespace WHERE nspname = ${escapeLiteral(POLICY_SCHEMA)}`;
  return (await client.query(sql)).rowCount !== 0;
}

/**
 * Records marks that were set or removed without pgkeep: by an application that writes `deletedAt` itself. So a restore
 * of an older backup brings no marked row back unmarked.
 * @param tables those whose rows are marked
 * @param complete whether every row is looked at; otherwise only those that were marked within a day
 * @returns how many were recorded.
 */
export async function recordFoundMarks(
  client: ClientBase,
  tables: readonly RowTable[],
  { complete, signal }: { complete: boolean; signal: AbortSignal },
): Promise<number> {
  let found = 0;
  for (const table of tables) {
    const fates = complete ? (['marked', 'restored'] as const) : (['marked'] as const);
    for (const what of fates) {
      for (let recorded = BATCH; recorded === BATCH; found += recorded) {
        signal.throwIfAborted();
        recorded = await recordBatch(client, table, what, complete);
      }
    }
  }
  return found;
}

async function recordBatch(
  client: ClientBase,
  table: RowTable,
  what: keyof typeof ACTIONS,
  complete: boolean,
): Promise<number> {
  const sql = what === 'marked' ? newMarksSql(table, complete) : removedMarksSql(table);
  if (sql === undefined) return 0;
  await client.query('BEGIN');
  try {
    const { rows } = await client.query<{ actor: string | null; keys: string[] }>(sql);
    for (const { actor, keys } of rows) {
      await client.query(
        `SELECT ${POLICY_SCHEMA}.record_rows(${POLICY_SCHEMA}.open_action($1, $2, NULL), $3, $4::jsonb, $5)`,
        [ACTIONS[what], actor, table.name, jsonArray(keys), what],
      );
    }
    await client.query('COMMIT');
    return rows.reduce((sum, { keys }) => sum + keys.length, 0);
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** The newest of the marks of a row, as the ledger knows it; NULL if it knows none. */
function newestMark(table: RowTable, key: string): string {
  return `(SELECT r.what FROM pgkeep.privacy_row r JOIN pgkeep.privacy_action a ON a.id = r.action_id
            WHERE r.table_name = ${escapeLiteral(table.name)} AND r.key = ${key} AND r.what IN ('marked', 'restored')
            ORDER BY a.opened_at DESC LIMIT 1)`;
}

function newMarksSql(table: RowTable, complete: boolean): string | undefined {
  const { deletedAt, deletedBy } = table;
  if (!deletedAt) return undefined;
  const actor = deletedBy
    ? `pg_catalog.left(t.${escapeIdentifier(deletedBy.name)}::text, 200)`
    : 'NULL::text';
  const since = complete
    ? ''
    : `AND ${utcSql(deletedAt, 't')} > (pg_catalog.now() AT TIME ZONE 'UTC') - interval '${WINDOW}'`;
  return `SELECT actor, pg_catalog.array_agg(key::text) AS keys FROM (
            SELECT ${actor} AS actor, k.key FROM ${table.sql} t, LATERAL (SELECT ${keySql(table, 't')} AS key) k
             WHERE t.${escapeIdentifier(deletedAt.name)} IS NOT NULL ${since}
               AND ${newestMark(table, 'k.key')} IS DISTINCT FROM 'marked'
             LIMIT ${BATCH}) found
           GROUP BY actor`;
}

function removedMarksSql(table: RowTable): string | undefined {
  const { deletedAt } = table;
  if (!deletedAt) return undefined;
  // Materialized: the newest mark is looked up only for rows that have one.
  return `WITH once AS MATERIALIZED (
            SELECT k.key FROM ${table.sql} t, LATERAL (SELECT ${keySql(table, 't')} AS key) k
             WHERE t.${escapeIdentifier(deletedAt.name)} IS NULL
               AND EXISTS (SELECT FROM pgkeep.privacy_row r
                            WHERE r.table_name = ${escapeLiteral(table.name)} AND r.key = k.key AND r.what = 'marked'))
          SELECT NULL::text AS actor, pg_catalog.array_agg(key::text) AS keys
            FROM (SELECT key FROM once k WHERE ${newestMark(table, 'k.key')} = 'marked' LIMIT ${BATCH}) found
          HAVING pg_catalog.count(*) > 0`;
}
