import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { Clock } from '../core/clock.js';
import { errorCode } from '../core/errors.js';
import { databaseError } from '../postgres/database-fault.js';
import { DatabaseService } from '../postgres/database.service.js';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import { TableCounts } from './count-tables.js';
import type { DatabaseStats, RowCounting, TableStats } from './stats.types.js';
import {
  CATALOGUE_QUERY,
  DATABASE_QUERY,
  ESTIMATES_QUERY,
  type CatalogueRow,
  type DatabaseRow,
} from './table-catalogue.js';

/** Locked tables are left out; this is for a lock that is taken in between. */
const LOCK_WAIT_MS = 100;
const MEASURING_TRIES = 3;

/** Reads sizes, rows and connections of the database, from the replica where there is one. */
@Injectable()
export class StatsService {
  constructor(
    private readonly database: DatabaseService,
    private readonly clock: Clock,
  ) {}

  /**
   * Collects the statistics: one catalogue query whatever the number of tables, then counts of the small tables
   * whose number is not exact (`estimated`), or of every table (`exact`). A table that another session holds exclusively
   * is neither measured nor counted, and marked as `locked`.
   * @throws PgkeepError `DATABASE_UNREACHABLE`, `DATABASE_TIMEOUT` or `DATABASE_ERROR`.
   */
  async collect(counting: RowCounting): Promise<DatabaseStats> {
    const pool = this.database.statisticsPool;
    try {
      return await this.database.withPooled(pool, async (client) => {
        const [overview] = await read<DatabaseRow>(client, {
          sql: DATABASE_QUERY,
          ...this.database.timeouts,
        });
        const rows = await this.readCatalogue(client);
        const counts = new TableCounts(client, rows, this.timeouts);
        await counts.count(counting);
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

  private async readCatalogue(client: PoolClient): Promise<CatalogueRow[]> {
    for (let tries = 1; tries <= MEASURING_TRIES; tries += 1) {
      try {
        return await read<CatalogueRow>(client, { sql: CATALOGUE_QUERY, ...this.timeouts });
      } catch (error) {
        if (errorCode(error) !== SQLSTATE.lockNotAvailable) throw error;
      }
    }
    return await read<CatalogueRow>(client, { sql: ESTIMATES_QUERY, ...this.timeouts });
  }

  private get timeouts(): ReadTimeouts {
    const { statementTimeoutMs, lockTimeoutMs } = this.database.timeouts;
    return { statementTimeoutMs, lockTimeoutMs: Math.min(LOCK_WAIT_MS, lockTimeoutMs) };
  }
}

function toTableStats(row: CatalogueRow, { exact, timedOut, locked }: TableCounts): TableStats {
  const counted = exact.get(row.oid);
  return {
    name: `${row.schema}.${row.name}`,
    rowCount: counted ?? Math.round(row.estimate),
    rowCountIsExact: counted !== undefined || row.exact,
    totalBytes: row.total_bytes,
    indexBytes: row.index_bytes,
    sizesAreExact: row.sizes_exact,
    deadRows: row.dead_rows,
    lastVacuumAt: row.last_vacuum?.toISOString() ?? null,
    lastAnalyzeAt: row.last_analyze?.toISOString() ?? null,
    ...(timedOut.has(row.oid) && { countTimedOut: true }),
    ...((row.locked || locked.has(row.oid)) && { locked: true }),
  };
}

function byRowCount(left: TableStats, right: TableStats): number {
  return right.rowCount - left.rowCount || (left.name < right.name ? -1 : 1);
}
