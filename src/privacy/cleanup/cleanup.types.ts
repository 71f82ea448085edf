import type { Recording } from '../../audit-log/audit-log.types.js';
import type { ShippingReport } from '../ledger/ledger.service.js';
import type { CleanupFate } from './judge-batch.js';

/** Rows of one table with one fate. */
export interface CleanupRows {
  /** The table, as the ledger names it. */
  readonly table: string;
  readonly fate: CleanupFate;
  readonly rows: number;
  /** The first keys, for people: `24`, `(7, 2026-01-01)`. */
  readonly keys: readonly string[];
  /** Why they are not deleted: names of tables. */
  readonly because: readonly string[];
}

/** Marked rows that no cleanup takes. */
export interface NeverRows {
  readonly table: string;
  readonly rows: number;
}

/** A table of which a larger share would be erased than is allowed. */
export interface LargeShare {
  readonly table: string;
  readonly due: number;
  readonly rows: number;
  readonly percent: number;
}

/** A row that could not be erased; it stays, and the next run tries again. */
export interface CleanupFailure {
  readonly table: string;
  readonly key: string;
  readonly message: string;
}

/** What a cleanup did, or would do. */
export interface CleanupReport extends Recording {
  readonly dryRun: boolean;
  /** ISO 8601, by the database's clock: what was marked at least `graceDays` before is due. */
  readonly now: string;
  readonly graceDays: number;
  /** Rows that were deleted or anonymized. */
  readonly erased: number;
  readonly tables: readonly CleanupRows[];
  readonly never: readonly NeverRows[];
  /** Why the cleanup would be refused; empty after a cleanup. */
  readonly tooLarge: readonly LargeShare[];
  readonly failures: readonly CleanupFailure[];
  /** The ids of its actions in the ledger, as a digest: sha256 of the ids and their lines, in order. */
  readonly ledgerDigest: string | null;
  /** How the ledger was copied beside the backups; null for a dry run. */
  readonly ledger: Pick<ShippingReport, 'shipped' | 'failures'> | null;
}

/** How a cleanup is run. */
export interface CleanupOptions {
  /** Whether to plan only. Defaults to false. */
  readonly dryRun?: boolean;
  /** The share of a table, in percent, that may be erased. Defaults to `PERMANENT_DELETE_MAX_PERCENT`. */
  readonly maxPercent?: number;
  /** How many keys of each table are listed. Defaults to 10. */
  readonly keys?: number;
  /** Defaults to the user of the operating system. */
  readonly actor?: string;
  /** Called before each transaction. If it throws, the cleanup ends; what was erased stays erased. */
  readonly beforeBatch?: () => Promise<void>;
  readonly signal?: AbortSignal;
}
