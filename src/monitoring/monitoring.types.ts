import type { Forecast } from './forecast.js';

/** How bad a finding is. `info` is shown, and needs nothing. */
export const SEVERITIES = ['critical', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Something that a probe found wrong. */
export interface MonitoringFinding {
  readonly code: string;
  readonly severity: Severity;
  /** What it concerns: a table, a session, a slot; empty if it is the database. Never a number that changes. */
  readonly subject: string;
  readonly text: string;
  readonly remedy: string;
  /** Statements that fix it, for a person to run: pgkeep does not. Null if there are none. */
  readonly sql: string | null;
}

/** A probe that gave no answer. */
export interface UnseenProbe {
  readonly probe: string;
  /** Why: a missing right, a timeout. */
  readonly reason: string;
  /** The server did not even end the statement when its time was over. */
  readonly isHanging?: boolean;
}

/** Sessions by what they do. */
export interface SessionCounts {
  readonly total: number;
  /** How many connections ordinary roles can have. */
  readonly limit: number;
  readonly active: number;
  readonly idle: number;
  readonly idleInTransaction: number;
  /** Waiting for a lock. */
  readonly waiting: number;
  /** Those of pgkeep. */
  readonly own: number;
}

/** The sessions of one application. */
export interface ApplicationSessions {
  readonly application: string;
  readonly total: number;
  readonly active: number;
}

/** A statement that took much of the server's time since its statistics were reset. */
export interface StatementTime {
  /** Without literals. */
  readonly statement: string;
  readonly calls: number;
  readonly meanMs: number;
  /** Of the time of all statements, 0 to 1. */
  readonly share: number;
}

/** A table and its size on disk, indexes and TOAST included. */
export interface TableSize {
  readonly name: string;
  readonly bytes: number;
}

/** Measured values; null where the probe gave no answer, or where a rate needs a second sample. */
export interface Vitals {
  readonly connectMs: number | null;
  readonly roundTripMs: number | null;
  readonly oldestTransactionSeconds: number | null;
  readonly longestStatementSeconds: number | null;
  readonly transactionsPerSecond: number | null;
  readonly rollbacksPerSecond: number | null;
  /** Since the statistics were reset. */
  readonly deadlocks: number | null;
  readonly deadlocksPerSecond: number | null;
  /** Rows that were inserted, updated or deleted. */
  readonly writesPerSecond: number | null;
  readonly tempBytesPerSecond: number | null;
  readonly walBytesPerSecond: number | null;
  /** Of the replica that is the furthest behind; null without replicas. */
  readonly replicaLagSeconds: number | null;
  /** The WAL that the replication slot that keeps the most of it keeps; null without slots. */
  readonly slotBytes: number | null;
  /** The share of blocks found in shared buffers, 0 to 1. */
  readonly cacheHit: number | null;
  readonly statementsPerSecond: number | null;
  readonly meanStatementMs: number | null;
  readonly sizeBytes: number | null;
  /** Age of the oldest transaction number, in transactions. */
  readonly transactionIdAge: number | null;
  /** The share of its numbers that the fullest integer key has used, 0 to 1. */
  readonly idsUsed: number | null;
}

/** Totals since the server's statistics were reset; null where they are not known. */
export interface Counters {
  readonly commits: number | null;
  readonly rollbacks: number | null;
  readonly blocksRead: number | null;
  readonly blocksHit: number | null;
  readonly tempBytes: number | null;
  readonly deadlocks: number | null;
  readonly checksumFailures: number | null;
  readonly sessionsFatal: number | null;
  readonly sessionsKilled: number | null;
  readonly statements: number | null;
  readonly statementsMs: number | null;
  readonly archiveFailures: number | null;
}

/** A replication slot. */
export interface ReplicationSlot {
  readonly name: string;
  readonly active: boolean;
  readonly lost: boolean;
  /** The WAL that it keeps; null where it keeps none. */
  readonly bytes: number | null;
}

/** A replica that reads from this server. */
export interface Replica {
  readonly name: string;
  /** How far it is behind. */
  readonly bytes: number | null;
  readonly seconds: number | null;
}

/** Who reads the server's WAL. */
export interface Replication {
  readonly slots: readonly ReplicationSlot[];
  readonly replicas: readonly Replica[];
}

/** How large the database may become. */
export interface StorageSpace {
  /** `DB_STORAGE_LIMIT`, or what its disk allows; null if neither is known. */
  readonly limitBytes: number | null;
  /** How much of that is used, 0 to 1, by others too. */
  readonly usedShare: number | null;
}

/** The room in `BACKUP_DIR`. */
export interface BackupSpace {
  readonly directory: string;
  readonly freeBytes: number;
  readonly newestBytes: number;
}

/** What the probes saw of a database. */
export interface MonitoringReport {
  readonly database: string;
  readonly environment: string;
  /** `15.18` */
  readonly version: string;
  /** ISO 8601. */
  readonly sampledAt: string;
  readonly vitals: Vitals;
  readonly counters: Counters;
  readonly replication: Replication | null;
  readonly sessions: SessionCounts | null;
  readonly applications: readonly ApplicationSessions[];
  readonly statements: readonly StatementTime[];
  readonly largest: readonly TableSize[];
  /** What will break if nothing changes. */
  readonly forecasts: readonly Forecast[];
  readonly storage: StorageSpace;
  /** The worst first. */
  readonly findings: readonly MonitoringFinding[];
  readonly unseen: readonly UnseenProbe[];
  /** How many codes were looked for. */
  readonly codes: number;
}
