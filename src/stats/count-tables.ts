import { type ClientBase, escapeIdentifier } from 'pg';
import { errorCode } from '../core/errors.js';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import type { RowCounting } from './stats.types.js';
import type { CatalogueRow } from './table-catalogue.js';

const UNCOUNTABLE = new Set<string>([
  SQLSTATE.queryCanceled,
  SQLSTATE.lockNotAvailable,
  SQLSTATE.undefinedTable,
  SQLSTATE.insufficientPrivilege,
]);

/** The deadline passed before the count began. */
class OutOfTimeError extends Error {}

/** Exact numbers of rows, by the table's oid, and why there is none for some tables. */
export class TableCounts {
  readonly exact = new Map<string, number>();
  /** There was no time for these. */
  readonly timedOut = new Set<string>();
  /** Another session locked these exclusively since the catalogue was read. */
  readonly locked = new Set<string>();
  private readonly deadline: number;

  /** @param timeouts of one statement; all counts together have the time of one. */
  constructor(
    private readonly client: ClientBase,
    private readonly tables: readonly CatalogueRow[],
    private readonly timeouts: ReadTimeouts,
  ) {
    this.deadline = performance.now() + timeouts.statementTimeoutMs;
  }

  /** Counts the small tables whose number is not exact (`estimated`), or every table (`exact`). */
  async count(counting: RowCounting): Promise<void> {
    // Asked for exact numbers, each table is counted by its own statement: one that is too large does not affect the others.
    if (counting === 'exact') await this.countEach(this.tables.filter(mayBeCounted));
    else for (const batch of countStatements(tablesToCount(this.tables))) await this.countBatch(batch);
  }

  /** One table of a batch that cannot be counted would spoil the others: then each is counted by itself. */
  private async countBatch(batch: CountStatement): Promise<void> {
    try {
      await this.run(batch);
    } catch (error) {
      if (!isAboutATable(error)) throw error;
      const oids = new Set(batch.oids);
      await this.countEach(this.tables.filter(({ oid }) => oids.has(oid)));
    }
  }

  private async countEach(tables: readonly CatalogueRow[]): Promise<void> {
    for (const statement of countStatements(tables, 1)) {
      try {
        await this.run(statement);
      } catch (error) {
        if (!isAboutATable(error)) throw error;
        const failed = failedSet(error, this);
        for (const oid of statement.oids) failed?.add(oid);
      }
    }
  }

  private async run({ sql }: CountStatement): Promise<void> {
    const remainingMs = this.deadline - performance.now();
    if (remainingMs < 1) throw new OutOfTimeError();
    const counted = await read<{ oid: string; rows: number }>(this.client, {
      sql,
      statementTimeoutMs: remainingMs,
      lockTimeoutMs: Math.min(remainingMs, this.timeouts.lockTimeoutMs),
    });
    for (const { oid, rows } of counted) this.exact.set(oid, rows);
  }
}

/**
 * Returns whether a count failed because of its table: out of time, locked, dropped, or not readable by this role. The
 * planner's number is used instead.
 */
function isAboutATable(error: unknown): boolean {
  return error instanceof OutOfTimeError || UNCOUNTABLE.has(errorCode(error) ?? '');
}

/** Where a table that could not be counted is noted; nowhere where the reason is neither time nor a lock. */
function failedSet(error: unknown, { timedOut, locked }: TableCounts): Set<string> | undefined {
  if (error instanceof OutOfTimeError || errorCode(error) === SQLSTATE.queryCanceled) return timedOut;
  return errorCode(error) === SQLSTATE.lockNotAvailable ? locked : undefined;
}

/** A table up to this many heap pages (8 MB) is small: counted when its number is not exact. */
const SMALL_PAGES = 1024;

/** All counts of one answer together read at most this many pages (64 MB). */
const PAGE_BUDGET = 8192;

/** All counts of one answer together open at most this many tables. */
const TABLE_BUDGET = 1000;

/** Tables in one counting statement: PostgreSQL plans a UNION of many arms slowly. */
const TABLES_PER_STATEMENT = 100;

/** One statement that counts some tables; each row is `oid, rows`. */
interface CountStatement {
  readonly sql: string;
  readonly oids: readonly string[];
}

/** Which tables are worth counting unasked: the small ones whose number is not exact, within a budget. Pure. */
export function tablesToCount(rows: readonly CatalogueRow[]): CatalogueRow[] {
  let budget = PAGE_BUDGET;
  return rows
    .flatMap((row) => (row.pages !== null && row.pages <= SMALL_PAGES ? [{ row, pages: row.pages }] : []))
    .filter(({ row }) => !row.exact && mayBeCounted(row))
    .toSorted((left, right) => left.pages - right.pages)
    .slice(0, TABLE_BUDGET)
    .filter(({ pages }) => {
      budget -= Math.max(1, pages);
      return budget >= 0;
    })
    .map(({ row }) => row);
}

/** Whether a count would see every row, and would not wait for another session. Pure. */
function mayBeCounted({ countable, locked }: CatalogueRow): boolean {
  return countable && !locked;
}

/** The statements that count these tables exactly. Pure. */
export function countStatements(
  rows: readonly CatalogueRow[],
  perStatement = TABLES_PER_STATEMENT,
): CountStatement[] {
  const statements: CountStatement[] = [];
  for (let start = 0; start < rows.length; start += perStatement) {
    const batch = rows.slice(start, start + perStatement);
    statements.push({ oids: batch.map(({ oid }) => oid), sql: batch.map(countArm).join('\nUNION ALL\n') });
  }
  return statements;
}

/** ONLY, because children by inheritance are separate tables; a partitioned table is counted with its partitions. */
function countArm({ oid, schema, name, partitioned }: CatalogueRow): string {
  const table = `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`;
  return `SELECT '${oid}' AS oid, count(*)::float8 AS rows FROM ${partitioned ? '' : 'ONLY '}${table}`;
}
