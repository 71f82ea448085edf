import type { ClientBase } from 'pg';
import { run } from './open-record.js';
import type { OwnerGraph } from './owner-graph.js';
import type { LoggedAction, PrivacyLog, RecordKey } from './privacy.types.js';
import { columnsOf, keyFields, ledgerKey, tableOf, tokenOf, typedKey } from './row-sql.js';

interface Row extends Omit<LoggedAction, 'at' | 'rows'> {
  readonly at: Date;
  readonly rows: Readonly<Record<string, number>> | null;
  readonly total: number;
}

/** The actions of the ledger without reasons, which may say something about a person. */
function logSql(condition: string): string {
  return `
  SELECT l.* FROM (
    SELECT a.id::text AS action, a.action AS what, a.opened_at AS at, a.actor AS by, a.role, (count(*) OVER ())::int AS total,
           (SELECT jsonb_object_agg(r.what || ' ' || r.table_name, r.n)
              FROM (SELECT what, table_name, count(*) AS n FROM pgkeep.privacy_row
                     WHERE action_id = a.id GROUP BY 1, 2) r) AS rows
      FROM pgkeep.privacy_action a WHERE ${condition} ORDER BY a.opened_at DESC LIMIT $1) l
   ORDER BY l.at`;
}

/** Reads the newest actions of the ledger. */
export async function readLog(client: ClientBase, limit: number): Promise<PrivacyLog> {
  return toLog(await run<Row>(client, { sql: logSql('true'), values: [limit] }));
}

/** Reads the newest actions on one record, which may be gone: those with a line in the ledger, holds and exports. */
export async function readLogOf(
  client: ClientBase,
  { graph, model, key }: { graph: OwnerGraph; model: string; key: RecordKey },
  limit: number,
): Promise<PrivacyLog> {
  const rules = graph.model(model);
  const table = tableOf(graph, rules);
  const fields = keyFields(rules.model);
  const record = typedKey(table, 2);
  const condition = `a.id IN (
             SELECT r.action_id FROM pgkeep.privacy_row r JOIN ${record}
                 ON r.table_name = ${table.ledgerName} AND r.key = ${ledgerKey(table, columnsOf('t'))}
              UNION SELECT (entry.details ->> 'action')::uuid FROM pgkeep.change_log entry JOIN ${record}
                 ON entry.details ->> 'person' = ${tokenOf(table, columnsOf('t'))})`;
  const values = [limit, ...fields.map(({ name }) => key[name])];
  return toLog(await run<Row>(client, { sql: logSql(condition), values }));
}

function toLog(rows: readonly Row[]): PrivacyLog {
  const actions = rows.map(({ action, what, at, by, role, rows: counts }) => ({
    action,
    what,
    at: at.toISOString(),
    by,
    role,
    rows: counts ?? {},
  }));
  return { total: rows[0]?.total ?? 0, actions };
}
