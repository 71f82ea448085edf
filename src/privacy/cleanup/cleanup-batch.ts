import type { Client } from 'pg';
import { POLICY_SCHEMA } from '../../policy/policy-texts.js';
import { queryOne } from '../../postgres/read.js';
import { anonymizePlan } from '../anonymize-plan.js';
import { deleteRows, type ForeignKey, type GoingRows, referredRows, refersTo } from '../foreign-keys.js';
import { jsonArray } from '../ledger/read-ledger.js';
import type { OwnerGraph } from '../owner-graph.js';
import { hasKey, keySql } from '../row-tables.js';
import { type DueTable, type HeldRows, isDue, sameKey, settle } from './due-rows.js';
import { type BatchReference, type CleanupFate, judgeBatch } from './judge-batch.js';

/** What every batch of a cleanup needs. */
export interface BatchContext {
  readonly graph: OwnerGraph;
  readonly held: HeldRows;
  /** By the oid of the table. */
  readonly dueTables: ReadonlyMap<number, DueTable>;
  readonly foreignKeys: readonly ForeignKey[];
  /** The foreign keys of rows that stop an erasure while they stay. */
  readonly stopping: ReadonlySet<ForeignKey>;
  readonly canAnonymize: (oid: number) => boolean;
  /** A timestamptz as SQL. */
  readonly cutoff: string;
  readonly dryRun: boolean;
  readonly actor: string;
}

/** A due row, and what happened to it. */
export interface SettledRow {
  readonly oid: number;
  readonly key: string;
  readonly fate: CleanupFate;
  readonly because: readonly string[];
}

/** What one transaction did. */
export interface SettledBatch {
  readonly rows: readonly SettledRow[];
  /** Its action in the ledger; undefined if it erased nothing. */
  readonly action: string | undefined;
}

/** The rows of a batch by the oids of their tables. */
type Rows = Map<number, Set<string>>;

/**
 * Settles the due rows of a table whose numbers are in a range, and the due rows that refer to them, in the transaction
 * that the caller has open: deletes, anonymizes or keeps each. Rows that another transaction has locked are passed over.
 */
export async function settleBatch(
  client: Client,
  context: BatchContext,
  { root, from, to }: { root: DueTable; from: number; to: number },
): Promise<SettledBatch> {
  const { dryRun, held } = context;
  if (!dryRun) await held.lock(client);
  const { oid: rootOid } = root.table;
  const roots = await rootKeys(client, context, root, from, to);
  const rows: Rows = new Map([[rootOid, new Set(roots)]]);
  const references = await addReferring(client, context, rows);
  const judged = judgeBatch(await batchRows(client, context, rows), references);
  const settled = judged.map(({ id, fate, because }): SettledRow => {
    const { oid, key } = rowOf(id);
    return { oid, key, fate, because };
  });
  const action = dryRun ? undefined : await erase(client, context, settled);
  for (const [oid, table] of context.dueTables) {
    // A row of the range itself is not looked at again; others would be.
    if (!dryRun && oid === rootOid && rows.get(oid)?.size === roots.length) continue;
    for (const fate of ['delete', 'anonymize', 'keep'] as const) {
      const keys = keysOf(settled, oid, fate);
      if (keys.length > 0) await settle(client, table, jsonArray(keys), fate);
    }
  }
  return { rows: settled, action };
}

/**
 * Sets a row that cannot be erased aside, with the due rows that refer to it: of one person all goes, or nothing. In the
 * transaction that the caller has open.
 */
export async function setAside(
  client: Client,
  context: BatchContext,
  { root, number }: { root: DueTable; number: number },
): Promise<void> {
  const rows: Rows = new Map([
    [root.table.oid, new Set(await rootKeys(client, context, root, number - 1, number))],
  ]);
  await addReferring(client, context, rows);
  for (const [oid, keys] of rows) {
    const table = context.dueTables.get(oid);
    if (table && keys.size > 0) await settle(client, table, jsonArray([...keys]), 'failed');
  }
}

function idOf(oid: number, key: string): string {
  return `${oid} ${key}`;
}

function rowOf(id: string): { oid: number; key: string } {
  const end = id.indexOf(' ');
  return { oid: Number(id.slice(0, end)), key: id.slice(end + 1) };
}

function keysOf(rows: readonly SettledRow[], oid: number, fate: CleanupFate): string[] {
  return rows.filter((row) => row.oid === oid && row.fate === fate).map(({ key }) => key);
}

function lockOf({ dryRun }: BatchContext, alias: string): string {
  return dryRun ? '' : `FOR UPDATE OF ${alias} SKIP LOCKED`;
}

/** Locks the rows of the range, and looks again whether each is due. */
async function rootKeys(
  client: Client,
  context: BatchContext,
  { table, temporary }: DueTable,
  from: number,
  to: number,
): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>(
    `SELECT (${keySql(table, 't')})::text AS key FROM ${temporary} d JOIN ${table.sql} t ON ${sameKey(table, 't', 'd')}
      WHERE d."the number" > $1 AND d."the number" <= $2 AND d."the fate" IS NULL
        AND ${isDue(table, 't', context.cutoff)} ${lockOf(context, 't')}`,
    [from, to],
  );
  return rows.map(({ key }) => key);
}

/** Adds the due rows that refer to those of the batch, and those that refer to them. */
async function addReferring(client: Client, context: BatchContext, rows: Rows): Promise<BatchReference[]> {
  const references: BatchReference[] = [];
  let frontier: Rows = rows;
  while (frontier.size > 0) {
    const next: Rows = new Map();
    for (const [oid, keys] of frontier) {
      const parent = context.dueTables.get(oid);
      if (!parent || keys.size === 0) continue;
      for (const foreignKey of context.foreignKeys.filter(({ parentOid }) => parentOid === oid)) {
        const child = context.dueTables.get(foreignKey.childOid);
        if (!child || child.due === 0) continue;
        for (const pair of await referringRows(client, context, { foreignKey, parent, child, keys })) {
          const { childOid, childName } = foreignKey;
          references.push({ child: idOf(childOid, pair.child), parent: idOf(oid, pair.parent), childName });
          if (rows.get(childOid)?.has(pair.child) === true) continue;
          next.set(childOid, (next.get(childOid) ?? new Set()).add(pair.child));
        }
      }
    }
    for (const [oid, keys] of next) rows.set(oid, new Set([...(rows.get(oid) ?? []), ...keys]));
    frontier = next;
  }
  return references;
}

async function referringRows(
  client: Client,
  context: BatchContext,
  {
    foreignKey,
    parent,
    child,
    keys,
  }: { foreignKey: ForeignKey; parent: DueTable; child: DueTable; keys: ReadonlySet<string> },
): Promise<{ child: string; parent: string }[]> {
  const { rows } = await client.query<{ child: string; parent: string }>(
    `SELECT (${keySql(child.table, 'c')})::text AS child, (${keySql(parent.table, 'p')})::text AS parent
       FROM ${parent.table.sql} p JOIN ${child.table.sql} c ON ${refersTo(foreignKey)}
       JOIN ${child.temporary} d ON ${sameKey(child.table, 'd', 'c')}
      WHERE ${hasKey(parent.table, 'p', '$1')} AND d."the fate" IS NULL AND ${isDue(child.table, 'c', context.cutoff)}
      ${lockOf(context, 'c')}`,
    [jsonArray([...keys])],
  );
  return rows;
}

async function batchRows(
  client: Client,
  context: BatchContext,
  rows: Rows,
): Promise<Parameters<typeof judgeBatch>[0]> {
  const batch: Parameters<typeof judgeBatch>[0][number][] = [];
  const going = (oid: number): GoingRows | undefined => {
    const [table, keys] = [context.dueTables.get(oid)?.table, rows.get(oid)];
    return table && keys && { table, keys: jsonArray([...keys]) };
  };
  for (const [oid, keys] of rows) {
    const parent = going(oid);
    if (!parent || keys.size === 0) continue;
    const foreignKeys = context.foreignKeys.filter(
      (key) => key.parentOid === oid && context.stopping.has(key),
    );
    const gone = (child: number): string | undefined => goneSql(context, child);
    const referred = await referredRows(client, parent, foreignKeys, going, gone);
    const busy = await busyKeys(client, context, {
      parent,
      foreignKeys,
      going,
      referred: referred.map(({ key }) => key),
    });
    const by = new Map(
      referred.map((row) => [row.key, row.by.map((index) => foreignKeys[index]?.childName ?? '')]),
    );
    for (const key of keys) {
      const canAnonymize = context.canAnonymize(oid);
      batch.push({ id: idOf(oid, key), referredBy: by.get(key) ?? [], isBusy: busy.has(key), canAnonymize });
    }
  }
  return batch;
}

/** In a dry run nothing is gone yet: what earlier batches would have deleted refers to nothing any more. */
function goneSql({ dueTables, dryRun }: BatchContext, oid: number): string | undefined {
  const child = dueTables.get(oid);
  if (!dryRun || !child || child.due === 0) return undefined;
  return `EXISTS (SELECT FROM ${child.temporary} g WHERE ${sameKey(child.table, 'g', 'c')} AND g."the fate" = 'delete')`;
}

/** Returns those of the referred rows that a due row refers to which another transaction has locked. */
async function busyKeys(
  client: Client,
  context: BatchContext,
  {
    parent,
    foreignKeys,
    going,
    referred,
  }: {
    parent: GoingRows;
    foreignKeys: readonly ForeignKey[];
    going: (oid: number) => GoingRows | undefined;
    referred: readonly string[];
  },
): Promise<ReadonlySet<string>> {
  const busy = new Set<string>();
  if (context.dryRun || referred.length === 0) return busy;
  for (const foreignKey of foreignKeys) {
    const child = context.dueTables.get(foreignKey.childOid);
    if (!child || child.due === 0) continue;
    const others = going(foreignKey.childOid);
    const stays = others ? ` AND NOT (${hasKey(child.table, 'c', '$2')})` : '';
    const { rows } = await client.query<{ key: string }>(
      `SELECT DISTINCT (${keySql(parent.table, 'p')})::text AS key FROM ${parent.table.sql} p
         JOIN ${child.table.sql} c ON ${refersTo(foreignKey)}
         JOIN ${child.temporary} d ON ${sameKey(child.table, 'd', 'c')}
        WHERE ${hasKey(parent.table, 'p', '$1')} AND d."the fate" IS NULL
          AND ${isDue(child.table, 'c', context.cutoff)}${stays}`,
      [jsonArray(referred), ...(others ? [others.keys] : [])],
    );
    for (const { key } of rows) busy.add(key);
  }
  return busy;
}

/** Deletes and anonymizes. @returns the action, unless there is nothing to do. */
async function erase(
  client: Client,
  { dueTables, graph, actor }: BatchContext,
  rows: readonly SettledRow[],
): Promise<string | undefined> {
  if (!rows.some(({ fate }) => fate === 'delete' || fate === 'anonymize')) return undefined;
  const { id } = await queryOne<{ id: string }>(
    client,
    `SELECT ${POLICY_SCHEMA}.open_action('cleanup', $1, NULL)::text AS id`,
    [actor],
  );
  const going: GoingRows[] = [];
  const erased: { name: string; keys: string }[] = [];
  for (const [oid, { table }] of dueTables) {
    const deleted = keysOf(rows, oid, 'delete');
    if (deleted.length > 0) going.push({ table, keys: jsonArray(deleted) });
    const keys = [...deleted, ...keysOf(rows, oid, 'anonymize')];
    if (keys.length > 0) erased.push({ name: table.name, keys: jsonArray(keys) });
  }
  await deleteRows(client, going);
  for (const [oid, { table }] of dueTables) {
    const keys = keysOf(rows, oid, 'anonymize');
    if (keys.length === 0 || !table.rules) continue;
    const found = {
      model: table.rules.model.name,
      where: hasKey(table, 't', '$1'),
      values: [jsonArray(keys)],
    };
    const plan = anonymizePlan(graph, found, id);
    if (plan) await client.query(plan.sql, [...plan.values]);
  }
  for (const { name, keys } of erased) await blankReasons(client, name, keys);
  return id;
}

/** A reason may name the person that is erased. */
async function blankReasons(client: Client, table: string, keys: string): Promise<void> {
  // OFFSET 0: each key is looked up by the index, whatever the statistics of the growing tables say.
  const found = (from: string, column: string): string =>
    `SELECT r.${column} FROM pg_catalog.jsonb_array_elements($2::jsonb) k,
            LATERAL (SELECT x.${column} FROM ${from} x WHERE x.table_name = $1 AND x.key = k OFFSET 0) r`;
  await client.query(
    `UPDATE pgkeep.privacy_action SET reason = NULL
      WHERE reason IS NOT NULL AND id IN (${found('pgkeep.privacy_row', 'action_id')})`,
    [table, keys],
  );
  await client.query(
    `UPDATE pgkeep.correction SET reason = NULL
      WHERE reason IS NOT NULL AND id IN (${found('pgkeep.correction', 'id')})`,
    [table, keys],
  );
}
