import type { ClientBase } from 'pg';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { errorCode } from '../core/errors.js';
import { countStatements, mayBeCounted, tablesToCount, type CountStatement } from './count-plan.js';
import type { RowCounting } from './stats.types.js';
import type { CatalogueRow } from './table-catalogue.js';

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
    // Asked for exact numbers, each table is a statement of its own: one that is too large spoils no other.
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
 * Out of time, locked, dropped meanwhile, or not readable by this role: the planner's number stands in, and the answer
 * as a whole is still good.
 */
function isAboutATable(error: unknown): boolean {
  return (
    error instanceof OutOfTimeError || ['57014', '55P03', '42P01', '42501'].includes(errorCode(error) ?? '')
  );
}

/** Where a table that could not be counted is noted; nowhere where the reason is neither time nor a lock. */
function failedSet(error: unknown, { timedOut, locked }: TableCounts): Set<string> | undefined {
  if (error instanceof OutOfTimeError || errorCode(error) === '57014') return timedOut;
  return errorCode(error) === '55P03' ? locked : undefined;
}
