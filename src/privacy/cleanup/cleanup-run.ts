import { createHash } from 'node:crypto';
import { type Client, escapeLiteral } from 'pg';
import { PgkeepError, serverMessageOf } from '../../core/errors.js';
import { databaseFault } from '../../postgres/database-fault.js';
import { queryOne } from '../../postgres/read.js';
import type { Rules } from '../../prisma-schema/rules.js';
import { replacedFields } from '../anonymize-plan.js';
import { type ForeignKey, readForeignKeys } from '../foreign-keys.js';
import { printLine } from '../ledger/ledger-entry.js';
import { readLines } from '../ledger/read-ledger.js';
import { OwnerGraph } from '../owner-graph.js';
import { isoSql, readRowTables, type RowTable } from '../row-tables.js';
import { type BatchContext, setAside, type SettledRow, settleBatch } from './cleanup-batch.js';
import type { CleanupFailure, CleanupReport, LargeShare, NeverRows } from './cleanup.types.js';
import { type DueTable, HeldRows, isMarkedBefore, listDue } from './due-rows.js';
import type { CleanupFate } from './judge-batch.js';
import { requireInForce, requireLedger, requireSameClock, shareOf, tooLargeError } from './cleanup-limits.js';

/** So many marked rows are settled in one transaction, with what refers to them. */
const BATCH = 500;

/** What one run needs. */
export interface RunOptions {
  readonly rules: Rules;
  readonly defaultSchema: string;
  readonly graceDays: number;
  readonly maxPercent: number;
  readonly keys: number;
  readonly dryRun: boolean;
  readonly actor: string;
  /** This machine's clock. */
  readonly now: Date;
  readonly beforeBatch: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** What a run found and did, without what is done after it. */
export type RunReport = Omit<CleanupReport, 'ledger' | 'recorded' | 'notRecorded'>;

/** Rows of one table with one fate, while they are counted. */
interface CountedRows {
  readonly table: string;
  readonly fate: CleanupFate;
  rows: number;
  readonly keys: string[];
  readonly because: Set<string>;
}

/** One cleanup, on its own connection: lists what is due, then settles it, transaction by transaction. */
export class CleanupRun {
  private readonly rows = new Map<string, CountedRows>();
  private readonly failures: CleanupFailure[] = [];
  private readonly digest = createHash('sha256');
  private erased = 0;

  constructor(
    private readonly client: Client,
    private readonly options: RunOptions,
  ) {}

  /** @throws PgkeepError `PRIVACY_REFUSED` before anything is erased; what `beforeBatch` throws; the signal's reason. */
  async perform(): Promise<RunReport> {
    const { client, options } = this;
    const { rules, defaultSchema, graceDays, dryRun } = options;
    await requireLedger(client);
    const { now } = await queryOne<{ now: string }>(
      client,
      `SELECT ${isoSql(`pg_catalog.clock_timestamp() AT TIME ZONE 'UTC'`)} AS now`,
    );
    requireSameClock(now, options.now);
    const cutoff = `(${escapeLiteral(now)}::timestamptz - pg_catalog.make_interval(days => ${graceDays}))`;
    const all = await readRowTables(client, rules, defaultSchema);
    const marked = all.filter(({ deletedAt }) => deletedAt !== undefined);
    const erasable = marked.filter(
      (table) => table.deleteRule === 'soft' && table.rules?.retained === undefined,
    );
    await requireInForce(client, erasable);
    const foreignKeys = await readForeignKeys(client, erasable);
    const graph = new OwnerGraph(rules, defaultSchema);
    const held = new HeldRows(graph, new Map(all.map((table) => [table.name, table])));
    await held.create(client);
    const due = new Map<number, DueTable>();
    for (const [index, table] of parentsFirst(erasable, foreignKeys).entries()) {
      due.set(table.oid, await listDue(client, table, { index, cutoff }));
    }
    const tooLarge = await this.largeShares([...due.values()]);
    if (tooLarge.length > 0 && !dryRun) throw tooLargeError(tooLarge, { ...options, now });
    const byOid = new Map(all.map((table) => [table.oid, table]));
    const context: BatchContext = {
      graph,
      held,
      dueTables: due,
      foreignKeys,
      stopping: new Set(foreignKeys.filter((key) => stops(key, byOid.get(key.childOid)))),
      canAnonymize: (oid) => {
        const model = byOid.get(oid)?.rules;
        return model !== undefined && replacedFields(model).length > 0;
      },
      cutoff,
      dryRun,
      actor: options.actor,
    };
    for (const table of due.values()) {
      for (let from = 0; from < table.due; from += BATCH) {
        await this.settle(context, table, from, Math.min(from + BATCH, table.due));
      }
    }
    return {
      dryRun,
      now,
      graceDays,
      erased: this.erased,
      tables: [...this.rows.values()].map(({ table, fate, rows, keys, because }) => ({
        table,
        fate,
        rows,
        keys,
        because: [...because],
      })),
      never: await this.neverErased(
        marked.filter((table) => !erasable.includes(table)),
        cutoff,
      ),
      tooLarge,
      failures: this.failures,
      ledgerDigest: this.erased === 0 ? null : this.digest.digest('hex'),
    };
  }

  /** Settles a range in one transaction. One that fails is divided, until the one row that is at fault is known. */
  private async settle(context: BatchContext, root: DueTable, from: number, to: number): Promise<void> {
    const { client, options } = this;
    options.signal.throwIfAborted();
    if (!context.dryRun) await options.beforeBatch();
    try {
      await client.query('BEGIN');
      const { rows, action } = await settleBatch(client, context, { root, from, to });
      const digest = action === undefined ? undefined : await digestOf(client, action);
      await client.query('COMMIT');
      if (digest !== undefined) this.digest.update(digest);
      for (const row of rows) this.count(context, row);
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      context.held.forget();
      if (databaseFault(error).code === 'DATABASE_UNREACHABLE' || error instanceof PgkeepError) throw error;
      if (to - from === 1) {
        const message = serverMessageOf(error);
        this.failures.push({ table: root.table.name, key: await keyAt(client, root, to), message });
        await client.query('BEGIN');
        await setAside(client, context, { root, number: to });
        await client.query('COMMIT');
        return;
      }
      const middle = from + Math.floor((to - from) / 2);
      await this.settle(context, root, from, middle);
      await this.settle(context, root, middle, to);
    }
  }

  private count({ dueTables }: BatchContext, { oid, key, fate, because }: SettledRow): void {
    const table = dueTables.get(oid)?.table.name ?? '';
    const id = `${table} ${fate}`;
    const counted = this.rows.get(id) ?? { table, fate, rows: 0, keys: [], because: new Set() };
    this.rows.set(id, counted);
    counted.rows += 1;
    if (counted.keys.length < this.options.keys) counted.keys.push(shownKey(key));
    for (const one of because) counted.because.add(one);
    if (fate === 'delete' || fate === 'anonymize') this.erased += 1;
  }

  private async largeShares(due: readonly DueTable[]): Promise<LargeShare[]> {
    const shares: LargeShare[] = [];
    for (const table of due) {
      const share = await shareOf(this.client, table, this.options.maxPercent);
      if (share) shares.push(share);
    }
    return shares;
  }

  private async neverErased(tables: readonly RowTable[], cutoff: string): Promise<NeverRows[]> {
    const never: NeverRows[] = [];
    for (const table of tables) {
      const { rows } = await queryOne<{ rows: number }>(
        this.client,
        `SELECT pg_catalog.count(*)::float8 AS rows FROM ${table.sql} t WHERE ${isMarkedBefore(table, 't', cutoff)}`,
      );
      if (rows > 0) never.push({ table: table.name, rows });
    }
    return never;
  }
}

/** Returns the digest of an action's lines, as its copy beside the backups has them. */
async function digestOf(client: Client, action: string): Promise<string> {
  const hash = createHash('sha256').update(action);
  for await (const page of readLines(client, action, new Map())) {
    hash.update(page.map((line) => printLine(line)).join(''));
  }
  return hash.digest('hex');
}

async function keyAt(client: Client, { table, temporary }: DueTable, number: number): Promise<string> {
  const { rows } = await client.query<{ key: string }>(
    `SELECT (pg_catalog.to_jsonb(d) - 'the number' - 'the fate')::text AS key FROM ${temporary} d WHERE "the number" = $1`,
    [number],
  );
  return table.personalKey.size > 0 ? '(personal)' : shownKey(rows[0]?.key ?? '{}');
}

/** Returns a key as people read it: its value, or `(7, a)`. A hash is shortened. */
function shownKey(key: string): string {
  const parsed: Readonly<Record<string, unknown>> = JSON.parse(key);
  const values = Object.values(parsed).map((value) =>
    typeof value === 'object' && value !== null
      ? `#${String(Reflect.get(value, 'sha256')).slice(0, 8)}`
      : String(value),
  );
  return values.length === 1 ? (values[0] ?? '') : `(${values.join(', ')})`;
}

/**
 * Returns whether rows of a foreign key's child stop an erasure while they stay. A key that becomes NULL stops nothing,
 * unless the row that has it must not change; what cannot be marked goes with its owner.
 */
function stops({ onDelete }: ForeignKey, child: RowTable | undefined): boolean {
  if (onDelete === 'a' || onDelete === 'r') return true;
  if (!child) return false;
  const isProtected =
    child.deleteRule !== 'free' && (child.deleteRule !== 'soft' || child.rules?.retained !== undefined);
  if (onDelete === 'c') return isProtected || child.deletedAt !== undefined;
  return isProtected || child.rules?.takesCorrections === true;
}

/** Orders tables so that what is referred to comes first: a person, then what belongs to the person. */
function parentsFirst(tables: readonly RowTable[], foreignKeys: readonly ForeignKey[]): RowTable[] {
  const left = new Map(tables.map((table) => [table.oid, table]));
  const ordered: RowTable[] = [];
  while (left.size > 0) {
    const refersToLeft = ({ oid }: RowTable): boolean =>
      foreignKeys.some(
        ({ childOid, parentOid }) => childOid === oid && parentOid !== oid && left.has(parentOid),
      );
    // In a circle, any of them is the first.
    const next = [...left.values()].find((table) => !refersToLeft(table)) ?? [...left.values()][0];
    if (!next) break;
    ordered.push(next);
    left.delete(next.oid);
  }
  return ordered;
}
