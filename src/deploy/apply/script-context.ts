import type { Client } from 'pg';
import type { HistoryWriter } from '../../migrations/history-writer.js';
import type { MigrationScript } from './apply.types.js';
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

/** Sends SQL as one simple query. @param onStatement is called for every statement that is done */
export async function send(client: Client, sql: string, onStatement: () => void): Promise<void> {
  client.connection.on('commandComplete', onStatement);
  try {
    // Without parameters: the extended protocol takes one statement only.
    await client.query(sql);
  } finally {
    client.connection.off('commandComplete', onStatement);
  }
}

/** Ends a transaction that failed; where the session is lost this fails as well, and the first error is the one to report. */
export async function rollBack(client: Client): Promise<void> {
  await client.query('ROLLBACK').catch(() => undefined);
}
