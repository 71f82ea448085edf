import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { Clock } from '../clock/clock.js';
import { errorCode } from '../errors.js';
import { databaseError } from '../database/database-fault.js';
import { DatabaseService } from '../database/database.service.js';
import { read } from '../database/read.js';
import { countStatements, tablesToCount, type CountStatement } from './count-plan.js';
import type { DatabaseStats, RowCounting, TableStats } from './stats.types.js';
import { CATALOGUE_QUERY, DATABASE_QUERY, type CatalogueRow, type DatabaseRow } from './table-catalogue.js';

/** Counts by table oid; `timedOut` holds the tables for which there was no time. */
interface Counts {
  readonly exact: Map<string, number>;
  readonly timedOut: Set<string>;
}

/** What is in the database: sizes, rows, connections. Asked of the replica where there is one. */
@Injectable()
export class StatsService {
  constructor(
    private readonly database: DatabaseService,
    private readonly clock: Clock,
  ) {}

  /**
   * Collects the statistics: one catalogue query whatever the number of tables, then counts of the small tables
   * whose number is not exact (`estimated`), or of every table (`exact`).
   * @throws KeepError `DATABASE_UNREACHABLE`, `DATABASE_TIMEOUT` or `DATABASE_ERROR`.
   */
  async collect(counting: RowCounting): Promise<DatabaseStats> {
    const pool = this.database.statisticsPool;
    try {
      return await this.database.withPooled(pool, async (client) => {
        const [overview] = await read<DatabaseRow>(client, {
          sql: DATABASE_QUERY,
          ...this.database.timeouts,
        });
        const rows = await read<CatalogueRow>(client, { sql: CATALOGUE_QUERY, ...this.database.timeouts });
        const counts = await this.count(client, rows, counting);
        const sizeBytes = overview?.size_bytes ?? 0;
        const tables = rows.map((row) => toTableStats(row, counts)).toSorted(byRowCount);
        return {
          sizeBytes,
          sizeMB: Math.round((sizeBytes / 1_048_576) * 100) / 100,
          tableCount: tables.length,
          tables,
          connections: {
            used: overview?.used ?? 0,
            max: overview?.max ?? 0,
            pool: this.database.counts(pool),
          },
          collectedAt: this.clock.now().toISOString(),
        };
      });
    } catch (error) {
      throw databaseError('collect the database statistics', error);
    }
  }

  private async count(
    client: PoolClient,
    rows: readonly CatalogueRow[],
    counting: RowCounting,
  ): Promise<Counts> {
    const counts: Counts = { exact: new Map(), timedOut: new Set() };
    // Asked for exact numbers, each table is a statement of its own: one that is too large spoils no other.
    const statements =
      counting === 'exact'
        ? countStatements(
            rows.filter(({ countable }) => countable),
            1,
          )
        : countStatements(tablesToCount(rows));
    const { statementTimeoutMs } = this.database.timeouts;
    const deadline = performance.now() + statementTimeoutMs;
    for (const statement of statements) {
      await this.countOne(client, statement, deadline - performance.now(), counts);
    }
    return counts;
  }

  private async countOne(
    client: PoolClient,
    { sql, oids }: CountStatement,
    remainingMs: number,
    { exact, timedOut }: Counts,
  ): Promise<void> {
    try {
      if (remainingMs < 1) throw new OutOfTimeError();
      const counted = await read<{ oid: string; rows: number }>(client, {
        sql,
        statementTimeoutMs: remainingMs,
        lockTimeoutMs: remainingMs,
      });
      for (const { oid, rows } of counted) exact.set(oid, rows);
    } catch (error) {
      if (!isToldPerTable(error)) throw error;
      for (const oid of oids) timedOut.add(oid);
    }
  }
}

/** The deadline passed before the count began. */
class OutOfTimeError extends Error {}

/**
 * Out of time, locked for as long, dropped meanwhile, or not readable by this role: the planner's number
 * stands in, and the answer as a whole is still good.
 */
function isToldPerTable(error: unknown): boolean {
  return (
    error instanceof OutOfTimeError || ['57014', '55P03', '42P01', '42501'].includes(errorCode(error) ?? '')
  );
}

function toTableStats(row: CatalogueRow, { exact, timedOut }: Counts): TableStats {
  const counted = exact.get(row.oid);
  return {
    name: `${row.schema}.${row.name}`,
    rowCount: counted ?? Math.round(row.estimate),
    rowCountIsExact: counted !== undefined || row.exact,
    totalBytes: row.total_bytes,
    indexBytes: row.index_bytes,
    deadRows: row.dead_rows,
    lastVacuumAt: row.last_vacuum?.toISOString() ?? null,
    lastAnalyzeAt: row.last_analyze?.toISOString() ?? null,
    ...(timedOut.has(row.oid) && { countTimedOut: true }),
  };
}

function byRowCount(left: TableStats, right: TableStats): number {
  return right.rowCount - left.rowCount || (left.name < right.name ? -1 : 1);
}
