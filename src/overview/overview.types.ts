import type { AuditLogEntry, ChainReport } from '../audit-log/audit-log.types.js';
import type { BackupList } from '../backup/backup.types.js';
import type { EmergencyContact } from '../config/alert-receivers.js';
import type { EnvironmentName } from '../config/settings.js';
import type { DriftReport } from '../drift/drift.types.js';
import type { JobsOverview } from '../maintenance/maintenance.types.js';
import type { MigrationStatus } from '../migrations/migrations.types.js';
import type { Forecast } from '../monitoring/forecast.js';
import type { MonitoringFinding, MonitoringReport } from '../monitoring/monitoring.types.js';
import type { Verdict } from '../readiness/readiness.types.js';
import type { RestoreTestHistory } from '../restore/test/restore-test.types.js';
import type { DatabaseStats } from '../stats/stats.types.js';

/** A fact that is read from time to time. It keeps its last value, and the time of that, when reading it again fails. */
export interface Fact<T> {
  /** Null until it was read for the first time. */
  readonly value: T | null;
  /** ISO 8601: when the value was read. */
  readonly readAt: string | null;
  /** Why the newest attempt to read it failed; null if it succeeded, or none was made. */
  readonly fault: string | null;
}

/** Something that a person should look at. Its code is that of a probe, of a check of `/ready`, or of an alert. */
export interface AttentionItem extends MonitoringFinding {
  /** ISO 8601: since when it is so, where that is known. */
  readonly since: string | null;
  /** ISO 8601: until when its alert is silenced; null if it is not. */
  readonly silencedUntil: string | null;
}

/** Something that will break at a time that can be foreseen. */
export type UpcomingItem = Omit<Forecast, 'range'>;

/** What the probes saw last. */
export interface MonitoringState {
  /** The newest report that was complete; null before the first sample. */
  readonly report: MonitoringReport | null;
  /** Since when the database takes no connections, and why; null while it does. */
  readonly down: { readonly since: string; readonly text: string } | null;
  /** Whether the newest sample is older than three intervals. */
  readonly isStale: boolean;
}

/** The audit log's newest entries, and whether its chain is intact. */
export interface AuditLogState {
  /** The number of all entries. */
  readonly total: number;
  /** The oldest first. */
  readonly entries: readonly Omit<AuditLogEntry, 'deed'>[];
  readonly chain: ChainReport | null;
}

/** Everything that the dashboard shows: the body of `GET /admin/overview`. */
export interface Overview {
  /** pgkeep's version. */
  readonly version: string;
  readonly database: string;
  readonly environment: EnvironmentName;
  /** `15.18`; null until the server has reported it. */
  readonly serverVersion: string | null;
  /** ISO 8601: when this was put together. */
  readonly takenAt: string;
  /** Whether the embedded demo is served. */
  readonly isDemo: boolean;
  readonly verdict: Verdict;
  /** The worst first. */
  readonly attention: readonly AttentionItem[];
  /** How many codes were looked for. */
  readonly codes: number;
  /** The next first; what has no date comes last. */
  readonly upcoming: readonly UpcomingItem[];
  readonly monitoring: MonitoringState;
  readonly backups: Fact<BackupList>;
  readonly restoreTests: Fact<RestoreTestHistory>;
  readonly jobs: Fact<JobsOverview>;
  readonly migrations: Fact<MigrationStatus>;
  readonly drift: Fact<DriftReport>;
  readonly stats: Fact<DatabaseStats>;
  readonly auditLog: Fact<AuditLogState>;
  /** `EMERGENCY_CONTACTS`. */
  readonly contacts: readonly EmergencyContact[];
}
