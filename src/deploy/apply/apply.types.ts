import type { AttemptCourse } from '../../migrations/attempt-mark.js';
import type { ParsedFile } from '../../migrations/lint/parse-files.js';
import type { PlannedMigration } from '../deploy.types.js';
import type { SessionFacts } from '../sessions.js';

/** A migration, and the statements of its file. */
export interface MigrationScript {
  readonly migration: PlannedMigration;
  readonly parsed: ParsedFile;
}

/** A script that failed. */
export interface FailedScript {
  readonly migration: PlannedMigration;
  /** What node-postgres threw. */
  readonly error: unknown;
  /** Of the session that it ran on. */
  readonly backendPid: number;
  /** How many of its statements PostgreSQL had done. */
  readonly completed: number;
  /** Where the SQL begins in the file that the error's position counts in. Defaults to its beginning. */
  readonly sentFrom?: number;
  /** Who was last seen in its way. */
  readonly blockers: readonly SessionFacts[];
  readonly tries: number;
}

/** A migration that failed, and what is known of what it left. */
export interface FailedMigration extends FailedScript {
  readonly course: AttemptCourse;
  /** How many of its statements are applied, and stay. */
  readonly kept: number;
  /** Whether COMMIT was sent: before that, a session that is lost changed nothing. */
  readonly wasCommitting: boolean;
  /** Whether the statement that failed ran in no transaction: it may have left something. */
  readonly ranAlone: boolean;
}
