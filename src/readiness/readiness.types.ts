import type { HealthCheckResult } from '@nestjs/terminus';
import type { Gate } from '../config/settings.js';
import type { Known } from '../core/known.js';
import type { EnvironmentFacts } from '../environment/environment.types.js';
import type { DdlGuardSwitch } from '../guard/ddl/ddl-guard-state.js';
import type { PolicyReport } from '../policy/judge-policy.js';
import type { MigrationsReport } from '../migrations/migrations.types.js';
import type { DatabaseFault } from '../postgres/database-fault.js';
import type { ErasureState } from '../privacy/cleanup/erasure-state.js';
import type { ServerFacts } from '../postgres/server-facts.js';
import type { NewestEvidences } from '../restore/test/evidence.js';
import type { ApplicationFacts } from './application-checks.js';
import type { BackupFacts } from './backup-watch.js';
import type { CheckOutcome, VerdictCode } from './check.js';
import type { DriftFacts } from './drift-watch.js';

/** One check as `/ready` shows it. `gate` is there when it is not `enforce`, and whenever the check is not ok. */
export interface CheckView extends CheckOutcome {
  readonly gate?: Gate;
  /** There with a `code`: where the documentation explains it, such as `docs/checks.md#backup_missing`. */
  readonly hint?: string;
}

/** A fact of one evaluation, or why it was not learned. */
export type Fact<T, Fault = DatabaseFault> = Known<T, NotLearned<Fault>> & {
  /** The value is the last known one: this evaluation did not learn it. */
  readonly unconfirmed?: Unconfirmed;
};

/** Why a fact was not learned. */
export type NotLearned<Fault = DatabaseFault> = Fault & {
  /** True where no answer came in time; false where the answer was bad, such as a refusal. */
  readonly isUnanswered: boolean;
};

/** Why the last known value of a fact stands in. */
export interface Unconfirmed {
  readonly code: string;
  /** Why it was not learned. */
  readonly text: string;
  /** How many evaluations in a row did not. */
  readonly misses: number;
  /** `READINESS_FAILURE_THRESHOLD`. */
  readonly of: number;
  /** Until when it may stand in, by the monotonic clock. */
  readonly untilMs: number;
}

/** What the server reports of itself, and whether the DDL guard is on. */
export interface ServerState extends ServerFacts {
  /** Undefined outside production, where it is not read. */
  readonly ddlGuard: DdlGuardSwitch | undefined;
}

/** What one evaluation asks of the database. */
export interface DatabaseFacts {
  readonly server: Fact<ServerState>;
  readonly environment: Fact<EnvironmentFacts>;
  readonly migrations: Fact<MigrationsReport>;
  readonly policy: Fact<PolicyReport>;
}

/** What is asked in each evaluation: of the database, and of the application's own checks. */
export interface AskedFacts extends DatabaseFacts {
  readonly application: ApplicationFacts;
}

/** Everything that one evaluation knows. */
export interface Facts extends AskedFacts {
  /** What restore tests proved; undefined where that is not known. */
  readonly evidence: NewestEvidences | undefined;
  /** Undefined while backups are off, and until the storage has answered for the first time. */
  readonly backups: BackupFacts | undefined;
  /** Undefined until the structure was compared for the first time. */
  readonly drift?: DriftFacts | undefined;
  /** Undefined until the erasures were read for the first time. */
  readonly privacy?: Known<ErasureState> | undefined;
}

/** The answer to "is this database safe to serve from, right now?": the body of `/ready`. */
export interface Verdict {
  readonly status: 'ready' | 'not_ready';
  /** Why the verdict is "not ready" where no single check is the reason. */
  readonly code?: VerdictCode;
  /** There with a `code`: where the documentation explains it. */
  readonly hint?: string;
  /** By the name of the check; the application's own come last. */
  readonly checks: Readonly<Record<string, CheckView>>;
  /** ISO 8601; when the checks were made. Missing before the first evaluation ended. */
  readonly evaluatedAt?: string;
}

/** A verdict, and the same in Terminus' format. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly health: HealthCheckResult;
}

/** One finished evaluation: what it found by itself. */
export interface Evaluation extends Judgement {
  /** What it learned, and why it did not learn the rest. */
  readonly facts: Facts;
  /** False where something is unknown: then the next evaluation should not wait for its period. */
  readonly isComplete: boolean;
  /** What counts instead for a while: the same with what was last known in the place of what is unknown. */
  readonly standIn?: Judgement & {
    /** By the monotonic clock. */
    readonly untilMs: number;
  };
}
