import type { Client } from 'pg';
import type { HistoryWriter } from '../../migrations/history/history-writer.js';
import type { AttemptMode } from '../../migrations/history/prisma-history.js';
import type { ParsedFile } from '../../migrations/sql/parse-files.js';
import type { PlannedMigration } from '../deploy/deploy.types.js';
import type { SessionFacts } from '../sessions.js';
import type { RunnerOptions } from './lock-retries.js';

/** What running one script needs. */
export interface ScriptContext {
  readonly client: Client;
  readonly backendPid: number;
  readonly history: HistoryWriter;
  /** Id of the attempt in the history. */
  readonly id: string;
  readonly script: MigrationScript;
  readonly options: RunnerOptions;
  readonly onRetry: () => void;
  /** Called with what a statement found instead of what it declares. */
  readonly onFound: (text: string) => void;
}

/** How far a script got. */
export interface Progress {
  /** Statements that PostgreSQL completed. */
  completed: number;
  /** Statements that remain applied. */
  kept: number;
  /** Where the SQL sent last begins in the file. */
  sentFrom: number;
  /** Whether COMMIT was sent for what was sent last. */
  wasCommitting: boolean;
  /** Whether the statement sent last ran outside a transaction. */
  ranAlone: boolean;
}

/** A migration and the statements of its file. */
export interface MigrationScript {
  readonly migration: PlannedMigration;
  readonly parsed: ParsedFile;
}

/** A script that failed. */
export interface FailedScript {
  readonly migration: PlannedMigration;
  /** What node-postgres threw. */
  readonly error: unknown;
  /** Pid of the session that it ran in. */
  readonly backendPid: number;
  /** Number of statements that PostgreSQL completed. */
  readonly completed: number;
  /** Where the SQL begins in the file to which the error's position is relative. Defaults to its beginning */
  readonly sentFrom?: number;
  /** The sessions that were last seen blocking it. */
  readonly blockers: readonly SessionFacts[];
  readonly tries: number;
}

/** A failed migration, and what is known of its changes. */
export interface FailedMigration extends FailedScript {
  readonly mode: AttemptMode;
  /** Number of statements that remain applied. */
  readonly kept: number;
  /** Whether COMMIT was sent: a session that was lost before that changed nothing. */
  readonly wasCommitting: boolean;
  /** Whether the failed statement ran outside a transaction: it may have left changes. */
  readonly ranAlone: boolean;
}
