import type { Client } from 'pg';
import { queryOne } from '../../postgres/read.js';
import type { Rules } from '../../prisma-schema/rules.js';
import { replacedFields } from '../anonymize-plan.js';
import { hasPolicy } from '../ledger/found-marks.js';
import { hasLedger } from '../ledger/read-ledger.js';
import { OwnerGraph } from '../owner-graph.js';
import { readRowTables } from '../row-tables.js';
import { HeldRows, isDue } from './due-rows.js';

/** Not counted further: that there are some is enough. */
const MOST = 1000;

/** How far erasure is behind. */
export interface ErasureState {
  /** Whether rules are in force: without them no row is erased by pgkeep. */
  readonly isInForce: boolean;
  /** Rows that should have been erased; at most 1,000 of each table. */
  readonly overdue: readonly { readonly table: string; readonly rows: number }[];
  /** How long the oldest action has had no copy beside the backups, in ms; null if each has one. */
  readonly unshippedMs: number | null;
  /** When the database was restored without the erasures since the backup; null if it was not, or they were replayed. */
  readonly unknownSince: string | null;
}

const NOTHING: ErasureState = { isInForce: false, overdue: [], unshippedMs: null, unknownSince: null };

/** When a row that is still there is overdue. */
interface Lateness {
  readonly graceMs: number;
  /** The time that cleanups have for it after its grace period, and after the rules were applied. */
  readonly periodsMs: number;
}

/** Reads how far erasure is behind. @throws what the connection throws. */
export async function readErasureState(
  client: Client,
  { rules, defaultSchema, ...late }: { rules: Rules | undefined; defaultSchema: string } & Lateness,
): Promise<ErasureState> {
  if (!(await hasLedger(client))) return NOTHING;
  const { unshippedMs, unknownSince } = await queryOne<{
    unshippedMs: number | null;
    unknownSince: Date | null;
  }>(client, STATE);
  const known = { unshippedMs, unknownSince: unknownSince?.toISOString() ?? null };
  if (!(await hasPolicy(client))) return { ...NOTHING, ...known };
  if (!rules) return { ...NOTHING, ...known, isInForce: true };
  const tables = await readRowTables(client, rules, defaultSchema);
  const held = new HeldRows(
    new OwnerGraph(rules, defaultSchema),
    new Map(tables.map((table) => [table.name, table])),
  );
  await held.create(client);
  const overdue: { table: string; rows: number }[] = [];
  // Rules that are new have the same time for their first cleanup: an application has marked rows for years before.
  if (await areNew(client, late.periodsMs)) return { ...known, isInForce: true, overdue };
  for (const table of tables) {
    const isErased = table.deleteRule === 'soft' && table.rules?.retained === undefined;
    // What can only be deleted may have to stay, as long as something refers to it.
    if (!isErased || !table.deletedAt || !table.rules || replacedFields(table.rules).length === 0) continue;
    const cutoff = `(pg_catalog.now() - pg_catalog.make_interval(secs => ${(late.graceMs + late.periodsMs) / 1000}))`;
    const { rows } = await queryOne<{ rows: number }>(
      client,
      `SELECT pg_catalog.count(*)::int4 AS rows
         FROM (SELECT FROM ${table.sql} t WHERE ${isDue(table, 't', cutoff)} LIMIT ${MOST}) overdue`,
    );
    if (rows > 0) overdue.push({ table: table.name, rows });
  }
  return { ...known, isInForce: true, overdue };
}

async function areNew(client: Client, periodsMs: number): Promise<boolean> {
  const sql = `SELECT coalesce(min(applied_at) > pg_catalog.now() - pg_catalog.make_interval(secs => $1), false) AS new
                 FROM pgkeep.table_policy`;
  return (await queryOne<{ new: boolean }>(client, sql, [periodsMs / 1000])).new;
}

const STATE = `
  SELECT (SELECT pg_catalog.date_part('epoch', pg_catalog.now() - pg_catalog.min(opened_at)) * 1000
            FROM pgkeep.privacy_action WHERE shipped_at IS NULL) AS "unshippedMs",
         (SELECT max(recorded_at) FROM pgkeep.change_log l
           WHERE to_jsonb(l)->>'action' = 'restore' AND details @> '{"withoutErasures": true}'
             AND NOT EXISTS (SELECT FROM pgkeep.change_log later
                              WHERE later.seq > l.seq
                                AND (to_jsonb(later)->>'action' = 'replay'
                                     OR to_jsonb(later)->>'action' = 'restore' AND later.details ? 'erasures'))) AS "unknownSince"`;
