import type { Client } from 'pg';
import type { AttemptCourse } from '../../migrations/history/attempts.js';
import type { HistoryWriter } from '../../migrations/history/history-writer.js';
import type { ParsedFile } from '../../migrations/sql/parse-files.js';
import type { PlannedMigration } from '../deploy/deploy.types.js';
import type { SessionFacts } from '../sessions.js';
import type { RunnerOptions } from './lock-retries.js';

/** What running one script works with. */
export interface ScriptContext {
  readonly client: Client;
  readonly backendPid: number;
  readonly history: HistoryWriter;
  /** Of the attempt, in the history. */
  readonly id: string;
  readonly script: MigrationScript;
  readonly options: RunnerOptions;
  readonly onRetry: () => void;
  /** Is shown what a statement found in the place of what it should make. */
  readonly onFound: (text: string) => void;
}

/** How far a script came. */
export interface Progress {
  /** Statements that PostgreSQL has done. */
  completed: number;
  /** Statements that are applied, and stay. */
  kept: number;
  /** Where the SQL begins in the file that was sent last. */
  sentFrom: number;
  /** Whether the COMMIT of what was sent last was sent. */
  wasCommitting: boolean;
  /** Whether the statement that was sent last ran in no transaction. */
  ranAlone: boolean;
}

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
