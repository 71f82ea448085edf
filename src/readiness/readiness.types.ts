import type { HealthCheckResult } from '@nestjs/terminus';
import type { CheckName, Gate } from '../config/settings.js';
import type { ServerFacts } from '../database/server-facts.js';
import type { DatabaseFault } from '../database/database-fault.js';
import type { EnvironmentFacts } from '../environment/environment.types.js';
import type { CheckCode } from '../errors.js';
import type { NewestEvidences } from '../restore/read-newest-evidence.js';
import type { BackupFacts } from './backup-facts.js';
import type { DriftFacts } from './drift-watch.service.js';
import type { MigrationsReport } from '../migrations/migrations.types.js';

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
  /** The first failing finding's code. */
  readonly code?: CheckCode;
}

/** One check as `/ready` shows it. `gate` is there when it is not `enforce`, and whenever the check is not ok. */
export interface CheckView extends CheckOutcome {
  readonly gate?: Gate;
}

/** A fact, or why it could not be had. */
export type Known<T> = { readonly value: T } | { readonly fault: DatabaseFault };

/** Everything one evaluation knows: from the database, and what was learned of the backups beside it. */
export interface Facts {
  readonly server: Known<ServerFacts>;
  readonly environment: Known<EnvironmentFacts>;
  readonly migrations: Known<MigrationsReport>;
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

/** One finished evaluation: the verdict, and the same in Terminus' shape. */
export interface Evaluation {
  readonly verdict: Verdict;
  readonly health: HealthCheckResult;
}
