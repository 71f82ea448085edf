import type { NewestEvidences } from '../restore/test/evidence.js';
import type { MigrationStatus } from '../migrations/migrations.types.js';
import type { ErasureState } from '../privacy/cleanup/erasure-state.js';
import { valueOf } from '../core/known.js';
import type { BackupFacts, JobFacts, StoredBackups } from './backup-watch.js';
import type { DriftFacts } from './drift-watch.js';
import type { Facts, ServerState } from './readiness.types.js';

/** A value, and when it was learned. */
export interface Dated<T> {
  readonly value: T;
  readonly at: Date;
}

/** What the evaluations have learned so far: values stay, with their time, while asking again fails. */
export interface Learned {
  readonly evaluatedAt: Date;
  /** Whether the last evaluation got an answer from the database. */
  readonly isConnected: boolean;
  readonly server: Dated<ServerState> | undefined;
  readonly migrations: Dated<MigrationStatus> | undefined;
  readonly backups: Dated<StoredBackups> | undefined;
  readonly jobs: Dated<JobFacts> | undefined;
  /** When the next backup is due by the schedule. */
  readonly nextBackupDue: BackupFacts['nextDue'];
  readonly restoreTests: Dated<NewestEvidences> | undefined;
  readonly drift: Dated<DriftFacts> | undefined;
  readonly erasure: Dated<ErasureState> | undefined;
}

/** Returns what is known after an evaluation that learned these facts. Pure. */
export function learnedFrom(facts: Facts, now: Date, before: Learned | undefined): Learned {
  const migrations = valueOf(facts.migrations);
  // What is read apart from the evaluations is dated by the first one that has it.
  const dated = <T>(value: T | undefined, earlier: Dated<T> | undefined): Dated<T> | undefined =>
    value === undefined || value === earlier?.value ? earlier : { value, at: now };
  return {
    evaluatedAt: now,
    isConnected: 'value' in facts.server,
    server: dated(valueOf(facts.server), before?.server),
    migrations: dated(
      migrations && 'status' in migrations ? migrations.status : undefined,
      before?.migrations,
    ),
    backups: dated(valueOf(facts.backups?.storage), before?.backups),
    jobs: dated(valueOf(facts.backups?.jobs), before?.jobs),
    nextBackupDue: facts.backups ? facts.backups.nextDue : before?.nextBackupDue,
    restoreTests: dated(facts.evidence, before?.restoreTests),
    drift: dated(facts.drift, before?.drift),
    erasure: dated(valueOf(facts.privacy), before?.erasure),
  };
}
