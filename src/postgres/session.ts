import type { Client, ClientBase } from 'pg';
import { describeServer, type DatabaseUrl } from '../config/database-url.js';
import { PgkeepError } from '../core/errors.js';
import { keepsSession } from './pool-mode.js';
import { SESSION_SETTINGS, TAKE_SESSION, type SessionPurpose } from './session-settings.js';

/** What a connection is needed for. */
export interface SessionNeeds {
  /** Defaults to `own`. */
  readonly purpose?: SessionPurpose | undefined;
  /** The work is transactions alone: no setting, lock or name of the session outlives one. Defaults to false. */
  readonly throughPooler?: boolean | undefined;
}

/** A connection that was just made. */
export interface FreshConnection extends SessionNeeds {
  readonly client: Client;
  readonly url: DatabaseUrl;
  /** The process id that the server, or the pooler in its place, announced. */
  readonly announcedPid: number | undefined;
  /** Opens a second connection to the same place. */
  readonly openSecond: () => Promise<Client>;
}

const pooled = new WeakSet<ClientBase>();

/** Whether a pooler stands between the connection and its server. */
export function isPooled(client: ClientBase): boolean {
  return pooled.has(client);
}

/**
 * Gives the session the settings that its work needs. A pooler is recognized before anything of the session is
 * changed: it announces a process id of its own making, not the backend's.
 * @throws PgkeepError `POOLER_REFUSED` where the work needs a session, and the pooler keeps none.
 */
export async function takeSession(connection: FreshConnection): Promise<void> {
  const { client, url, announcedPid, openSecond, purpose = 'own', throughPooler = false } = connection;
  const settings = JSON.stringify(SESSION_SETTINGS[purpose]);
  const { rows } = await client.query<{ pid: number }>(TAKE_SESSION, [announcedPid ?? 0, settings]);
  const pid = rows[0]?.pid;
  if (pid === announcedPid) return;
  pooled.add(client);
  if (throughPooler) return;
  if (!(await keepsSession(client, openSecond))) throw poolerRefused(url);
  await client.query(TAKE_SESSION, [pid, settings]);
}

function poolerRefused(url: DatabaseUrl): PgkeepError {
  const isDirect = url.sameAs !== undefined;
  return new PgkeepError(
    'POOLER_REFUSED',
    `Refused to work through the transaction pooler at ${describeServer(url)}${isDirect ? ', which DIRECT_URL names' : ''}: it gives each transaction another session of PostgreSQL. Nothing was changed.`,
    {
      hint: isDirect
        ? 'Set DIRECT_URL to the address of PostgreSQL itself, or of a pooler with pool_mode = session.'
        : 'Set DIRECT_URL to the same database past the pooler: the address of PostgreSQL itself, or of a pooler with pool_mode = session. Then run the same command again.',
    },
  );
}
