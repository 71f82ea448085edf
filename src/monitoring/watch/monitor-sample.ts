import type { LeaseRole } from '../../jobs/lease.service.js';
import type { MonitoringFinding, MonitoringReport } from '../monitoring.types.js';

/** Since when and why the database does not answer. */
export interface DatabaseDown {
  readonly since: Date;
  /** Why: `DATABASE_UNREACHABLE`, `DATABASE_TIMEOUT`, `DATABASE_AUTHENTICATION_FAILED` … */
  readonly code: string;
  readonly text: string;
}

/** What one replica knows after a sample. */
export interface MonitorSample {
  readonly at: Date;
  /**
   * Whether this replica samples (`leader`), stands in for the one that does while the database is down (`deputy`), or
   * shows what that one has sampled. Without schema pgkeep, or without the right to write there, every replica is a
   * leader by itself.
   */
  readonly role: LeaseRole;
  /** Of the leader's lease; null where no lease can be taken. */
  readonly fence: bigint | null;
  /** The newest; it stays while the database does not answer. Undefined before the first. */
  readonly report: MonitoringReport | undefined;
  readonly down: DatabaseDown | undefined;
  /** Those of the report, and DATABASE_DOWN before them. */
  readonly findings: readonly MonitoringFinding[];
}

/** Is called after each sample. The next one waits for it; an error is logged. */
export type SampleListener = (sample: MonitorSample) => Promise<void> | void;
