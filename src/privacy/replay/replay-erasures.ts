import { type ClientBase, escapeIdentifier } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import { installFunctions } from '../../policy/policy-functions.js';
import { ACTION_SETTING, POLICY_SCHEMA } from '../../policy/policy-texts.js';
import type { Rules } from '../../prisma-schema/rules.js';
import { queryOne } from '../../postgres/read.js';
import { anonymizePlan } from '../anonymize-plan.js';
import { deleteRows, type GoingRows, readForeignKeys, referredRows } from '../foreign-keys.js';
import type { LedgerEntry } from '../ledger/ledger-entry.js';
import { hasPolicy } from '../ledger/found-marks.js';
import { jsonArray } from '../ledger/read-ledger.js';
import { OwnerGraph } from '../owner-graph.js';
import { hasKey, keySql, type RowTable } from '../row-tables.js';
import { copyEntries } from './copy-entries.js';
import { moveSequences } from './move-sequences.js';
import { type ErasureCounts, planReplay, type TableReplay } from './plan-replay.js';
import { type ReplayTable, readReplayTables } from './replay-tables.js';

/** What a replay needs beside the entries. */
export interface ReplayContext {
  /** Undefined if there is no Prisma schema: then rows can be deleted again, but neither marked nor anonymized. */
  readonly rules: Rules | undefined;
  readonly defaultSchema: string;
  readonly actor: string;
}

/**
 * Does to the rows of a database what the entries say was done to them elsewhere, in the transaction that the caller has
 * open, and copies the entries into its ledger. The action is called `replay`.
 * @returns how many rows were there and were changed.
 * @throws PgkeepError `RESTORE_REFUSED` for a table, a column or a model that is not there: nothing is skipped.
 */
export async function replayErasures(
  client: ClientBase,
  entries: readonly LedgerEntry[],
  context: ReplayContext,
): Promise<ErasureCounts> {
  const plan = planReplay(entries);
  const tables = await readReplayTables(client, plan, context);
  await copyEntries(client, entries);
  const action = await openReplay(client, context.actor);
  const counts = { actions: entries.length, deleted: 0, anonymized: 0, marked: 0, restored: 0 };
  for (const table of tables) {
    counts.marked += await markAgain(client, table);
    counts.restored += await restoreAgain(client, table);
  }
  const { going, referred } = await withoutReferred(client, tables);
  counts.deleted += await deleteRows(
    client,
    going.map((rows) => rowsOf(rows)),
  );
  const anonymized = tables.map((table) => ({
    ...table,
    replay: {
      ...table.replay,
      anonymized: [...table.replay.anonymized, ...(referred.get(table.rows.name) ?? [])],
    },
  }));
  counts.anonymized += await anonymizeAgain(client, anonymized, action, context);
  await moveSequences(client, tables);
  return counts;
}

/** Opens the action without the functions of the policy: a backup from before has none of them. */
async function openReplay(client: ClientBase, actor: string): Promise<string> {
  const { id } = await queryOne<{ id: string }>(
    client,
    `INSERT INTO pgkeep.privacy_action (action, actor) VALUES ('replay', $1) RETURNING id::text AS id`,
    [actor],
  );
  await client.query('SELECT pg_catalog.set_config($1, $2, true)', [ACTION_SETTING, id]);
  return id;
}

async function markAgain(client: ClientBase, { rows: table, replay }: ReplayTable): Promise<number> {
  const { deletedAt, deletedBy } = table;
  if (replay.marked.length === 0 || !deletedAt) return 0;
  const at = `(m.mark->>'at')::timestamptz`;
  const isZoned = deletedAt.type.endsWith('with time zone');
  const sets = [`${escapeIdentifier(deletedAt.name)} = ${isZoned ? at : `${at} AT TIME ZONE 'UTC'`}`];
  // A label takes every actor; a number refers to a row, and only the application wrote such a one.
  if (deletedBy && isLabel(deletedBy.type))
    sets.push(`${escapeIdentifier(deletedBy.name)} = (m.mark->>'actor')::${deletedBy.type}`);
  const marks = replay.marked.map(({ key, ...mark }) => `{"key":${key},"mark":${JSON.stringify(mark)}}`);
  const { rowCount } = await client.query(
    `UPDATE ${table.sql} t SET ${sets.join(', ')}
       FROM pg_catalog.jsonb_to_recordset($1::jsonb) AS m (key jsonb, mark jsonb)
      WHERE ${hasKey(table, 't', '$2')} AND ${keySql(table, 't')} = m.key`,
    [jsonArray(marks), jsonArray(replay.marked.map(({ key }) => key))],
  );
  return rowCount ?? 0;
}

function isLabel(type: string): boolean {
  return /^(text|character varying|character)\b/.test(type);
}

async function restoreAgain(client: ClientBase, { rows: table, replay }: ReplayTable): Promise<number> {
  const { deletedAt, deletedBy } = table;
  if (replay.restored.length === 0 || !deletedAt) return 0;
  const columns = [deletedAt, ...(deletedBy ? [deletedBy] : [])];
  const sets = columns.map(({ name }) => `${escapeIdentifier(name)} = NULL`).join(', ');
  const { rowCount } = await client.query(
    `UPDATE ${table.sql} t SET ${sets}
      WHERE ${hasKey(table, 't', '$1')} AND t.${escapeIdentifier(deletedAt.name)} IS NOT NULL`,
    [jsonArray(replay.restored)],
  );
  return rowCount ?? 0;
}

interface Going {
  readonly table: RowTable;
  readonly keys: readonly string[];
}

/**
 * Leaves out rows that others refer to which stay: after the backup those referred to another row. They are anonymized
 * instead, until nothing that stays refers to what goes.
 */
async function withoutReferred(
  client: ClientBase,
  tables: readonly ReplayTable[],
): Promise<{ going: Going[]; referred: Map<string, string[]> }> {
  const going = new Map(
    tables
      .filter(({ replay }) => replay.deleted.length > 0)
      .map(({ rows, replay }) => [rows.oid, { table: rows, keys: replay.deleted }] as const),
  );
  const referred = new Map<string, string[]>();
  const foreignKeys = await readForeignKeys(
    client,
    [...going.values()].map(({ table }) => table),
  );
  for (let isStable = false; !isStable;) {
    isStable = true;
    for (const parent of [...going.values()].filter(({ keys }) => keys.length > 0)) {
      const stopping = foreignKeys.filter(
        ({ parentOid, onDelete }) => parentOid === parent.table.oid && 'ar'.includes(onDelete),
      );
      const stopped = await referredRows(client, rowsOf(parent), stopping, (oid) => {
        const child = going.get(oid);
        return child && rowsOf(child);
      });
      if (stopped.length === 0) continue;
      isStable = false;
      const staying = new Set(stopped.map(({ key }) => key));
      going.set(parent.table.oid, { ...parent, keys: parent.keys.filter((key) => !staying.has(key)) });
      referred.set(parent.table.name, [...(referred.get(parent.table.name) ?? []), ...staying]);
    }
  }
  return { going: [...going.values()].filter(({ keys }) => keys.length > 0), referred };
}

function rowsOf({ table, keys }: Going): GoingRows {
  return { table, keys: jsonArray(keys) };
}

async function anonymizeAgain(
  client: ClientBase,
  tables: readonly ReplayTable[],
  action: string,
  { rules, defaultSchema }: ReplayContext,
): Promise<number> {
  const anonymized = tables.filter(({ replay }) => replay.anonymized.length > 0);
  if (anonymized.length === 0 || !rules) return 0;
  // A backup from before the policy has none of its functions: they are there for this transaction.
  const isInstalled = await hasPolicy(client);
  if (!isInstalled) await client.query(installFunctions().join('\n'));
  const graph = new OwnerGraph(rules, defaultSchema);
  for (const { rows: table, replay } of anonymized) {
    const plan = anonymizePlan(
      graph,
      {
        model: table.rules?.model.name ?? '',
        where: hasKey(table, 't', '$1'),
        values: [jsonArray(replay.anonymized)],
      },
      action,
    );
    if (!plan) throw nothingToAnonymize(table, replay);
    await client.query(plan.sql, [...plan.values]);
  }
  if (!isInstalled) await client.query(`DROP SCHEMA ${POLICY_SCHEMA} CASCADE`);
  // A row can belong to another one that is anonymized as well: it counts once.
  const { count } = await queryOne<{ count: number }>(
    client,
    `SELECT pg_catalog.count(*)::float8 AS count FROM pgkeep.privacy_row WHERE action_id = $1 AND what = 'anonymized'`,
    [action],
  );
  return count;
}

function nothingToAnonymize({ name }: RowTable, { anonymized }: TableReplay): PgkeepError {
  return new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to replay the erasures: rows that stay refer to ${anonymized.length} erased rows of ${name}, and nothing of that table can be anonymized. Nothing was changed.`,
    {
      hint: 'Restore with `--without-erasures`, change what refers to them, then run `pgkeep privacy replay`.',
    },
  );
}
