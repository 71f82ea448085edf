import { type Client, escapeIdentifier, escapeLiteral } from 'pg';
import { queryOne } from '../../postgres/read.js';
import { type OwnerGraph, owned } from '../owner-graph.js';
import { ReachedRows } from '../reached-rows.js';
import { hasKey, keySql, type RowTable } from '../row-tables.js';

/** Rows of one table that were due when the cleanup began: a temporary table, numbered by the time of the mark. */
export interface DueTable {
  readonly table: RowTable;
  /** The temporary table, as SQL. */
  readonly temporary: string;
  /** How many rows were due. */
  readonly due: number;
}

const HELD = 'pg_temp.pgkeep_held';

/** Returns the condition that row `alias` was marked long enough ago. @param cutoff a timestamptz as SQL */
export function isMarkedBefore({ deletedAt }: RowTable, alias: string, cutoff: string): string {
  if (!deletedAt) return 'false';
  const isZoned = deletedAt.type.endsWith('with time zone');
  return `${alias}.${escapeIdentifier(deletedAt.name)} <= ${isZoned ? cutoff : `(${cutoff} AT TIME ZONE 'UTC')`}`;
}

/**
 * Returns the condition that row `alias` is due: marked long enough ago, not held, not anonymized yet. OFFSET 0: each is
 * looked up by the index; by the statistics of the growing ledger the planner would read all of it.
 */
export function isDue(table: RowTable, alias: string, cutoff: string): string {
  const name = escapeLiteral(table.name);
  const key = keySql(table, alias);
  return `${isMarkedBefore(table, alias, cutoff)}
    AND NOT EXISTS (SELECT FROM ${HELD} h WHERE h.table_name = ${name} AND h.key = ${key} OFFSET 0)
    AND NOT EXISTS (SELECT FROM pgkeep.privacy_row r
                     WHERE r.table_name = ${name} AND r.key = ${key} AND r.what = 'anonymized' OFFSET 0)`;
}

/** Returns the condition that rows of a table and of its temporary table are the same. */
export function sameKey({ key }: RowTable, left: string, right: string): string {
  return key
    .map(({ name }) => `${left}.${escapeIdentifier(name)} = ${right}.${escapeIdentifier(name)}`)
    .join(' AND ');
}

/** Lists the due rows of a table in a temporary one: one pass, whatever indexes the table has. */
export async function listDue(
  client: Client,
  table: RowTable,
  { index, cutoff }: { index: number; cutoff: string },
): Promise<DueTable> {
  const temporary = `pg_temp.pgkeep_due_${index}`;
  const key = table.key.map(({ name }) => `t.${escapeIdentifier(name)}`).join(', ');
  const mark = `t.${escapeIdentifier(table.deletedAt?.name ?? '')}`;
  const { rowCount } = await client.query(
    `CREATE TEMPORARY TABLE pgkeep_due_${index} AS
     SELECT pg_catalog.row_number() OVER (ORDER BY ${mark}, ${key}) AS "the number", NULL::text AS "the fate", ${key}
       FROM ${table.sql} t WHERE ${isDue(table, 't', cutoff)}`,
  );
  const due = rowCount ?? 0;
  if (due > 0) {
    const columns = table.key.map(({ name }) => escapeIdentifier(name)).join(', ');
    await client.query(
      `CREATE INDEX ON ${temporary} ("the number"); CREATE INDEX ON ${temporary} (${columns}); ANALYZE ${temporary}`,
    );
  }
  return { table, temporary, due };
}

/** Records what happened to rows, so that no later batch takes them. */
export async function settle(
  client: Client,
  { table, temporary }: DueTable,
  keys: string,
  fate: string,
): Promise<void> {
  await client.query(`UPDATE ${temporary} d SET "the fate" = $2 WHERE ${hasKey(table, 'd', '$1')}`, [
    keys,
    fate,
  ]);
}

/** The rows that legal holds keep: those that are held, what they own, and who owns them. */
export class HeldRows {
  private known: string | undefined;

  constructor(
    private readonly graph: OwnerGraph,
    private readonly tables: ReadonlyMap<string, RowTable>,
  ) {}

  async create(client: Client): Promise<void> {
    await client.query(
      `CREATE TEMPORARY TABLE pgkeep_held (table_name text, key jsonb, PRIMARY KEY (table_name, key))`,
    );
    await this.refresh(client);
  }

  /** Keeps holds from being placed until the transaction ends, and reads those that were placed since. */
  async lock(client: Client): Promise<void> {
    await client.query('LOCK TABLE pgkeep.legal_hold IN SHARE MODE');
    await this.refresh(client);
  }

  /** Forgets what a transaction read that was rolled back. */
  forget(): void {
    this.known = undefined;
  }

  private async refresh(client: Client): Promise<void> {
    const { holds } = await queryOne<{ holds: Readonly<Record<string, unknown>> }>(
      client,
      `SELECT coalesce(pg_catalog.jsonb_object_agg(table_name, keys), '{}') AS holds FROM (
         SELECT table_name, pg_catalog.jsonb_agg(key ORDER BY key)::text AS keys FROM pgkeep.legal_hold
          WHERE held_until IS NULL OR held_until >= CURRENT_DATE GROUP BY table_name) held`,
    );
    const text = JSON.stringify(holds);
    if (text === this.known) return;
    await client.query(`DELETE FROM ${HELD}`);
    for (const [name, keys] of Object.entries(holds)) await this.add(client, name, String(keys));
    this.known = text;
  }

  private async add(client: Client, name: string, keys: string): Promise<void> {
    const table = this.tables.get(name);
    if (!table?.rules) return;
    const model = table.rules.model.name;
    const rows = { model, where: hasKey(table, 't', '$1'), values: [keys] };
    const below = new ReachedRows(this.graph, rows, this.graph.down(model, owned), { name: 'below' });
    const above = new ReachedRows(this.graph, rows, this.graph.up(model), { name: 'above', direction: 'up' });
    await client.query(
      `WITH RECURSIVE ${below.cte},\n${above.cte}
       INSERT INTO ${HELD} SELECT table_name, key FROM (${below.ledgerRows} UNION ${above.ledgerRows}) held
           ON CONFLICT DO NOTHING`,
      [keys],
    );
  }
}
