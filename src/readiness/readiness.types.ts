import type { HealthCheckResult } from '@nestjs/terminus';
import type { CheckName, Gate } from '../config/settings.js';
import type { CheckCode } from '../core/errors.js';
import type { EnvironmentFacts } from '../environment/environment.types.js';
import type { MigrationsReport } from '../migrations/migrations.types.js';
import type { DatabaseFault } from '../postgres/database-fault.js';
import type { ServerFacts } from '../postgres/server-facts.js';
import type { NewestEvidences } from '../restore/test/newest-evidence.js';
import type { BackupFacts } from './backup-watch.js';
import type { DriftFacts } from './drift-watch.js';

/** One thing a check found: `told` findings are shown and do not fail it. */
export interface Finding {
  readonly code: CheckCode;
  readonly text: string;
}

/** What one check says, before its gate is applied. */
export interface CheckOutcome {
  readonly ok: boolean;
  /** Everything found, joined with "; ". */
  readonly details: string;
  /** The first failing finding's code; of a check that rests on what was last known, why that is not confirmed. */
  readonly code?: CheckCode;
}

/** One check as `/ready` shows it. `gate` is there when it is not `enforce`, and whenever the check is not ok. */
export interface CheckView extends CheckOutcome {
  readonly gate?: Gate;
}

/** A fact, or why it could not be had. */
export type Known<T> = { readonly value: T; readonly unconfirmed?: Unconfirmed } | NotKnown;

/** Why a fact could not be had. */
export interface NotKnown {
  readonly fault: DatabaseFault;
  /** True where nothing was said in time; false where something bad was said, such as a refusal. */
  readonly isUnknown: boolean;
}

/** The value is the last known one: this evaluation did not learn it. */
export interface Unconfirmed {
  readonly code: CheckCode;
  /** Why it was not learned. */
  readonly text: string;
  /** How many evaluations in a row did not. */
  readonly misses: number;
  /** `READINESS_FAILURE_THRESHOLD`. */
  readonly of: number;
  /** Until when it may stand in, by the monotonic clock. */
  readonly untilMs: number;
}

/** What one evaluation asks of the database. */
export interface DatabaseFacts {
  readonly server: Known<ServerFacts>;
  readonly environment: Known<EnvironmentFacts>;
  readonly migrations: Known<MigrationsReport>;
}

/** Everything one evaluation knows: from the database, and what was learned of the backups beside it. */
export interface Facts extends DatabaseFacts {
  /** What restore tests proved; undefined where that is not known. */
  readonly evidence: NewestEvidences | undefined;
  /** Undefined while backups are off, and until the storage has answered for the first time. */
  readonly backups: BackupFacts | undefined;
  /** Absent until the structure was looked at for the first time. */
  readonly drift?: DriftFacts | undefined;
}

/** The answer to "is this database safe to serve from, right now?": the body of `/ready`. */
export interface Verdict {
  readonly status: 'ready' | 'not_ready';
  /** Why the verdict as a whole says no, where no single check is the reason. */
  readonly code?: Extract<CheckCode, 'EVALUATION_STALE' | 'EVALUATION_PENDING' | 'SHUTTING_DOWN'>;
  readonly checks: Readonly<Partial<Record<CheckName, CheckView>>>;
  /** ISO 8601; when the checks were made. Missing before the first evaluation ended. */
  readonly evaluatedAt?: string;
}

/** A verdict, and the same in Terminus' shape. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly health: HealthCheckResult;
}

/** One finished evaluation: what it found by itself. */
export interface Evaluation extends Judgement {
  /** False where something is unknown: then the next evaluation should not wait for its period. */
  readonly isComplete: boolean;
  /** What counts instead for a while: the same with what was last known in the place of what is unknown. */
  readonly standIn?: Judgement & {
    /** By the monotonic clock. */
    readonly untilMs: number;
  };
}
