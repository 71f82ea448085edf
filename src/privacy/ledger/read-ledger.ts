import type { ClientBase } from 'pg';
import { queryOne } from '../../postgres/read.js';
import { hasKey, isoSql, keySql, type RowTable, utcSql } from '../row-tables.js';
import {
  byTable,
  type LedgerAction,
  type LedgerEntry,
  type LedgerLine,
  type RowFate,
} from './ledger-entry.js';

/** Lines are read by so many, so that an action of any size takes the same memory. */
const PAGE = 5000;

/** Returns whether a database has the ledger: pgkeep is installed in it, and not in a version from before. */
export async function hasLedger(client: ClientBase): Promise<boolean> {
  const sql = `SELECT pg_catalog.to_regclass('pgkeep.privacy_action') IS NOT NULL AS found`;
  return (await queryOne<{ found: boolean }>(client, sql)).found;
}

/** Returns the digest of the database's salt: the salt itself never leaves the database. */
export async function readSaltDigest(client: ClientBase): Promise<string> {
  const { digest } = await queryOne<{ digest: string }>(
    client,
    `SELECT pg_catalog.left(pg_catalog.encode(pg_catalog.sha256('pgkeep salt'::bytea || salt), 'hex'), 16) AS digest
       FROM pgkeep.privacy_salt`,
  );
  return digest;
}

/** An action, and how many lines it has. */
export interface CountedAction extends LedgerAction {
  readonly rows: number;
}

const ACTIONS = `
  SELECT a.id::text AS id, ${isoSql(`a.opened_at AT TIME ZONE 'UTC'`)} AS "openedAt", a.action, a.actor, a.role,
         (SELECT pg_catalog.count(*)::int4 FROM pgkeep.privacy_row r WHERE r.action_id = a.id) AS rows
    FROM pgkeep.privacy_action a`;

/** Reads actions by their ids, oldest first. */
export async function readActions(client: ClientBase, ids: readonly string[]): Promise<CountedAction[]> {
  const sql = `${ACTIONS} WHERE a.id = ANY ($1::uuid[]) ORDER BY a.opened_at, a.id`;
  return (await client.query<CountedAction>(sql, [ids])).rows;
}

/** Reads complete actions by their ids, oldest first. @param tables by their names in the ledger */
export async function readEntries(
  client: ClientBase,
  ids: readonly string[],
  tables: ReadonlyMap<string, RowTable>,
): Promise<LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  for (const action of await readActions(client, ids)) {
    const lines: LedgerLine[] = [];
    for await (const page of readLines(client, action.id, tables)) lines.push(...page);
    entries.push({ action, lines });
  }
  return entries;
}

/** Reads the ids of all actions, oldest first; only of those with a copy (`shipped`) or without one, or since a time. */
export async function readActionIds(
  client: ClientBase,
  only: { readonly shipped?: boolean; readonly since?: string } = {},
): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id::text AS id FROM pgkeep.privacy_action
      WHERE ($1::bool IS NULL OR (shipped_at IS NOT NULL) = $1)
        AND ($2::timestamptz IS NULL OR opened_at >= $2) ORDER BY opened_at, id`,
    [only.shipped ?? null, only.since ?? null],
  );
  return rows.map(({ id }) => id);
}

/** Records that actions have a copy in every place. */
export async function markShipped(client: ClientBase, ids: readonly string[]): Promise<void> {
  await client.query(
    `UPDATE pgkeep.privacy_action SET shipped_at = pg_catalog.clock_timestamp()
      WHERE id = ANY ($1::uuid[]) AND shipped_at IS NULL`,
    [ids],
  );
}

/**
 * Reads the lines of an action, page by page; those of marked rows with the time of the mark.
 * @param tables by their names in the ledger
 */
export async function* readLines(
  client: ClientBase,
  id: string,
  tables: ReadonlyMap<string, RowTable>,
): AsyncGenerator<LedgerLine[]> {
  let last: LedgerLine | undefined;
  for (;;) {
    const { rows } = await client.query<{ table: string; key: string; what: RowFate }>(
      `SELECT table_name AS "table", key::text AS key, what FROM pgkeep.privacy_row
        WHERE action_id = $1 AND ($2::text IS NULL OR (table_name, key, what) > ($2, $3::jsonb, $4))
        ORDER BY table_name, key, what LIMIT ${PAGE}`,
      [id, last?.table ?? null, last?.key ?? null, last?.what ?? null],
    );
    if (rows.length === 0) return;
    yield await withTimes(client, rows, tables);
    last = rows.at(-1);
    if (rows.length < PAGE) return;
  }
}

async function withTimes(
  client: ClientBase,
  lines: readonly LedgerLine[],
  tables: ReadonlyMap<string, RowTable>,
): Promise<LedgerLine[]> {
  const marked = byTable(lines.filter(({ what }) => what === 'marked'));
  const times = new Map<string, string>();
  for (const [name, ofTable] of marked) {
    const table = tables.get(name);
    if (!table?.deletedAt) continue;
    const { rows } = await client.query<{ key: string; at: string | null }>(
      `SELECT (${keySql(table, 't')})::text AS key, ${isoSql(utcSql(table.deletedAt, 't'))} AS at
         FROM ${table.sql} t WHERE ${hasKey(table, 't', '$1')}`,
      [jsonArray(ofTable.map(({ key }) => key))],
    );
    for (const { key, at } of rows) if (at !== null) times.set(`${name} ${key}`, at);
  }
  return lines.map((line) => {
    const at = line.what === 'marked' ? times.get(`${line.table} ${line.key}`) : undefined;
    return { ...line, ...(at !== undefined && { at }) };
  });
}

/** Returns keys, each the text of a JSON object, as the text of a JSON array: a parameter of `hasKey`. */
export function jsonArray(keys: readonly string[]): string {
  return `[${keys.join(',')}]`;
}
