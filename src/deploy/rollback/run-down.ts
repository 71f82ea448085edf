import { escapeIdentifier, type Client } from 'pg';
import type { ConnectionOptions } from '../../postgres/candidate-client.js';
import { withConnection } from '../../postgres/connect.js';
import { PgkeepError } from '../../core/errors.js';
import { nameOf } from '../../migrations/down/losses.js';
import { cancelBackend } from '../cancel-backend.js';
import { takePrismaLock } from '../deploy-lock.js';
import type { FailedScript } from '../apply/apply.types.js';
import { rollbackRefused } from '../refused.js';
import { namesToType, rollbackCommand } from './consent.js';
import type { RollbackDraft } from './rollback-draft.js';
import type { RollbackNeeds } from './rollback-needs.js';
import { DownRunner } from './down-runner.js';
import { RollbackSession } from './rollback-session.js';

/** How a `down.sql` is run. */
export interface DownRunOptions extends RollbackNeeds {
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
  /** The names that were typed. */
  readonly lose: readonly string[];
}

/** What became of it, as far as its session knows. */
export interface DownOutcome {
  readonly failed: FailedScript | undefined;
  readonly retries: number;
  readonly wasCommitting: boolean;
}

/** How the server's process list knows the session. */
export const SESSION_NAME = 'pgkeep rollback';

/**
 * Runs a `down.sql` on a session of its own, under the timeouts, and again where its lock was not to be had.
 * @throws PgkeepError `ROLLBACK_REFUSED`, `INTERRUPTED`; what connecting throws.
 */
export async function runDown(draft: RollbackDraft, options: DownRunOptions): Promise<DownOutcome> {
  const { settings, timeouts, signal, onStep } = options;
  const { url, connectTimeoutMs } = settings.database;
  if (signal.aborted) throw new PgkeepError('INTERRUPTED', 'Interrupted: nothing was taken back.');
  // No answer is waited for longer than the server works: the statement timeout is its own.
  const connection: ConnectionOptions = {
    connectTimeoutMs,
    answerTimeoutMs: 0,
    applicationName: SESSION_NAME,
    purpose: 'scripts',
  };
  return await withConnection(url, connection, async (client) => {
    await takePrismaLock(client, timeouts, rollbackRefused);
    const backendPid = await prepare(client, url.schema);
    const session = new RollbackSession(client, backendPid, transactionOptions(draft, options));
    const runner = new DownRunner(draft.down.script, {
      ...settings.deploy,
      url,
      timeouts,
      connectTimeoutMs,
      signal,
      onStep,
    });
    const cancel = (): void =>
      void cancelBackend(backendPid, { url, timeouts, connectTimeoutMs }, SESSION_NAME);
    signal.addEventListener('abort', cancel);
    try {
      await runner.run(session);
    } catch (error) {
      // Whatever is not about the script broke before it: the limits could not be set.
      if (!runner.failed) throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
    return { failed: runner.failed, retries: runner.retries, wasCommitting: session.isCommitting };
  });
}

function transactionOptions(
  { plan, down, losses, protectedNames }: RollbackDraft,
  { settings, lose }: DownRunOptions,
) {
  const { schema } = settings.database.url;
  const typed = lose.flatMap((name) => [name, `${schema}.${name}`]);
  const tables = losses.flatMap(({ kind, table }) => (kind === 'rows' && table ? [nameOf(table)] : []));
  const names = namesToType(plan.losses, lose, schema);
  return {
    down,
    schema,
    foreseen: new Set(
      [...typed, ...tables, ...losses.map(({ name }) => name)].filter((name) => !protectedNames.has(name)),
    ),
    protectedNames,
    command: (more: readonly string[]) => rollbackCommand(plan.migration, [...new Set([...names, ...more])]),
  };
}

async function prepare(client: Client, schema: string): Promise<number> {
  // The script names tables as the migration does.
  await client.query(`SET search_path TO ${escapeIdentifier(schema)}`);
  const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}
