import type { PoolCounts } from '../postgres/database.service.js';

/** One table; a partitioned table is one, its leaves summed. */
export interface TableStats {
  /** schema.table, unquoted. */
  readonly name: string;
  /** The planner's estimate, or the exact number: see `rowCountIsExact`. */
  readonly rowCount: number;
  readonly rowCountIsExact: boolean;
  /** Table, indexes and TOAST. */
  readonly totalBytes: number;
  readonly indexBytes: number;
  /** Whether the sizes were measured; otherwise they are those of the last VACUUM or ANALYZE. */
  readonly sizesAreExact: boolean;
  /** Rows waiting for VACUUM; null where the server keeps no such statistics (a replica). */
  readonly deadRows: number | null;
  /** ISO 8601; the later of VACUUM and autovacuum. Null when never, or on a replica. */
  readonly lastVacuumAt: string | null;
  readonly lastAnalyzeAt: string | null;
  /** Only after `?rows=exact`: counting this table ran out of time, so its number is the planner's. */
  readonly countTimedOut?: true;
  /** Another session holds it exclusively, or waits to: its numbers are those that can be had without opening it. */
  readonly locked?: true;
}

/** Connections of the server, and of pgkeep's pool. */
export interface ConnectionStats {
  readonly used: number;
  readonly max: number;
  readonly pool: PoolCounts;
}

/** Body of `GET /admin/database/stats`. */
export interface DatabaseStats {
  readonly sizeBytes: number;
  /** sizeBytes / 1048576, two decimal places. */
  readonly sizeMB: number;
  readonly tableCount: number;
  /** Largest row count first. */
  readonly tables: readonly TableStats[];
  readonly connections: ConnectionStats;
  /** ISO 8601. */
  readonly collectedAt: string;
}

/** `estimated`: the planner's numbers. `exact`: every table is counted, inside one statement timeout. */
export type RowCounting = 'estimated' | 'exact';
