import type { Client, ClientBase } from 'pg';
import { type DatabaseUrl, describeServer } from '../config/database-url.js';
import { PgkeepError } from '../core/errors.js';
import { closeClient, withDeadline } from './deadline.js';

/** What a connection is used for. */
export interface SessionNeeds {
  /** Of a session of pgkeep. Defaults to `own`. */
  readonly purpose?: SessionPurpose | undefined;
  /** Makes it a session of the application: only these settings are changed, timeouts in ms among them. */
  readonly limits?: SessionSettings | undefined;
  /** The work consists of transactions only: it keeps no session setting, lock or name between them. Defaults to false. */
  readonly throughPooler?: boolean | undefined;
}

/** A new connection. */
export interface FreshConnection extends SessionNeeds {
  readonly client: Client;
  readonly url: DatabaseUrl;
  /** The process id that the server, or a pooler, announced. */
  readonly announcedPid: number | undefined;
  /** Opens a second connection to the same place. */
  readonly openSecond: () => Promise<Client>;
}

const pooled = new WeakSet<ClientBase>();

/** Returns whether there is a pooler between the connection and its server. */
export function isPooled(client: ClientBase): boolean {
  return pooled.has(client);
}

/**
 * Gives the session the settings that its work needs. A pooler is recognized before the session is changed: the process
 * id that it announces is not the backend's.
 * @throws PgkeepError `POOLER_REFUSED` where the work needs a session, and the pooler does not keep one.
 */
export async function takeSession(connection: FreshConnection): Promise<void> {
  const {
    client,
    url,
    announcedPid,
    openSecond,
    purpose = 'own',
    limits,
    throughPooler = false,
  } = connection;
  const statement = limits ? LIMIT_SESSION : TAKE_SESSION;
  const settings = JSON.stringify(limits ?? SESSION_SETTINGS[purpose]);
  const { rows } = await client.query<{ pid: number }>(statement, [announcedPid ?? 0, settings]);
  const pid = rows[0]?.pid;
  if (pid === announcedPid) return;
  pooled.add(client);
  if (throughPooler) return;
  if (!(await keepsSession(client, openSecond))) throw poolerRefused(url);
  await client.query(statement, [pid, settings]);
}

function poolerRefused(url: DatabaseUrl): PgkeepError {
  const isDirect = url.sameAs !== undefined;
  return new PgkeepError(
    'POOLER_REFUSED',
    `Refused to work through the transaction pooler at ${describeServer(url)}${isDirect ? ' (DIRECT_URL)' : ''}: it may give each transaction a different PostgreSQL session. Nothing was changed.`,
    {
      hint: isDirect
        ? 'Set DIRECT_URL to the address of PostgreSQL itself, or of a pooler with pool_mode = session.'
        : 'Set DIRECT_URL to the same database without the pooler: the address of PostgreSQL itself, or of a pooler with pool_mode = session. Then run the same command again.',
    },
  );
}

/** A pooler that provides no second session within this time does not keep one for each connection. */
const SECOND_SESSION_MS = 3000;

/** How often the first connection is queried again. */
const ROUNDS = 5;

/**
 * Returns whether a pooler gives a connection one session for as long as it is open. Compares the process ids of the
 * backends in transactions of two connections; leaves nothing behind. Without other clients the result is certain,
 * whether the pooler reuses the newest or the oldest session first.
 */
async function keepsSession(first: Client, openSecond: () => Promise<Client>): Promise<boolean> {
  const own = await pidOf(first);
  let second: Client | undefined;
  const opening = openSecond();
  try {
    second = await withDeadline(opening, SECOND_SESSION_MS);
    return await withDeadline(areApart(first, own, second), SECOND_SESSION_MS);
  } catch {
    // Also where the pooler refuses transaction blocks altogether (pool_mode = statement).
    return false;
  } finally {
    void opening.then(closeClient, () => undefined);
  }
}

async function areApart(first: Client, own: number, second: Client): Promise<boolean> {
  // In this order, so that a pooler with one session, or one that reuses the newest first, gives the session of the first away.
  if ((await beginAndAsk(second)) === own || (await pidOf(first)) !== own) return false;
  if ((await beginAndAsk(first)) !== own) return false;
  // Returned in this order, the second's session is the newest, and the first's is not the next of the oldest.
  await first.query('COMMIT');
  await second.query('COMMIT');
  for (let round = 0; round < ROUNDS; round += 1) {
    if ((await pidOf(first)) !== own) return false;
  }
  return true;
}

async function beginAndAsk(client: Client): Promise<number> {
  await client.query('BEGIN READ ONLY');
  return await pidOf(client);
}

async function pidOf(client: Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

/** The server that a connection reached, of the URL's hosts. */
export interface ReachedServer {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  /** The database's encoding, `server_encoding`. */
  readonly encoding?: string | undefined;
  /** Whether it is behind a pooler: a pooler takes no start-up options. */
  readonly isPooled?: boolean | undefined;
}

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

const encodings = new WeakMap<Client, string>();

/** Remembers what the server reports while a connection is made. */
export function watchServer(client: Client): void {
  client.connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
    if (parameterName === 'server_encoding') encodings.set(client, parameterValue);
  });
}

/** Returns where a program of libpq must connect to reach the server of this connection. */
export function reachedServer(client: Client): ReachedServer {
  const { host, port, user } = client;
  return { host, port, user, encoding: encodings.get(client), isPooled: isPooled(client) };
}

/** Makes values and definitions read the same, whatever the settings of the database and the role are. */
export const STEADY_OUTPUT = {
  search_path: '',
  datestyle: 'ISO, YMD',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '3',
  lc_monetary: 'C',
  xmloption: 'content',
  quote_all_identifiers: 'off',
} as const;

/** Overrides settings of the database or the role that would refuse, end or reinterpret statements. */
const UNRESTRICTED = {
  default_transaction_read_only: 'off',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
  session_replication_role: 'origin',
} as const;

/**
 * The purpose of a session. `own`: pgkeep's own statements, which must read the same everywhere. `scripts`: the
 * application's migrations, which keep the settings that a script depends on (DateStyle, TimeZone, tablespaces).
 */
type SessionPurpose = 'own' | 'scripts';

/** Settings by name. */
export type SessionSettings = Readonly<Record<string, string>>;

/** Settings of a session; the server skips those that its version does not have. */
const SESSION_SETTINGS: Readonly<Record<SessionPurpose, SessionSettings>> = {
  own: { ...UNRESTRICTED, ...STEADY_OUTPUT, row_security: 'on', gin_fuzzy_search_limit: '0' },
  scripts: UNRESTRICTED,
};

/** For the programs of PostgreSQL, which set the others themselves. Every version has these settings. */
const PROGRAM_SETTINGS = [
  'default_transaction_read_only',
  'default_transaction_isolation',
  'default_transaction_deferrable',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'standard_conforming_strings',
  'array_nulls',
  'transform_null_equals',
] as const satisfies readonly (keyof typeof UNRESTRICTED)[];

/** Returns them as start-up options, for `PGOPTIONS`; they override the options of the URL. */
export function programOptions(urlOptions: string | undefined): string {
  const own = PROGRAM_SETTINGS.map((name) => `-c ${name}=${UNRESTRICTED[name].replaceAll(' ', '\\ ')}`);
  return [...(urlOptions === undefined ? [] : [urlOptions]), ...own].join(' ');
}

/** Only a superuser can set these; for other roles they keep their value. */
const SUPERUSER_ONLY = ['session_replication_role'];

/**
 * Sets `$2` (JSON) for the session, if the process id of the backend is the announced one, `$1`: behind a pooler it is
 * not, and nothing is set. One round trip; returns the process id of the backend.
 */
const TAKE_SESSION = `
  SELECT pg_catalog.pg_backend_pid() AS pid,
         (SELECT pg_catalog.count(pg_catalog.set_config(wanted.key, wanted.value, false))
            FROM pg_catalog.json_each_text($2::pg_catalog.json) wanted
           WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) $1::pg_catalog.int4
             AND pg_catalog.current_setting(wanted.key, true) IS NOT NULL
             AND (wanted.key OPERATOR(pg_catalog.<>) ALL (ARRAY[${SUPERUSER_ONLY.map((name) => `'${name}'`).join(', ')}]::pg_catalog.text[])
                  OR pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on'::pg_catalog.text)) AS settings`;

/**
 * The same for a session of the application, which otherwise keeps the settings of its database and role. A timeout that
 * is shorter already stays: whoever administers the role chose it.
 */
const LIMIT_SESSION = `
  SELECT pg_catalog.pg_backend_pid() AS pid,
         (SELECT pg_catalog.count(pg_catalog.set_config(s.name, wanted.value, false))
            FROM pg_catalog.json_each_text($2::pg_catalog.json) wanted
            JOIN pg_catalog.pg_settings s ON s.name OPERATOR(pg_catalog.=) wanted.key
           WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) $1::pg_catalog.int4
             AND CASE WHEN s.vartype OPERATOR(pg_catalog.=) 'integer'::pg_catalog.text
                      THEN s.setting::pg_catalog.int8 OPERATOR(pg_catalog.=) 0::pg_catalog.int8
                        OR s.setting::pg_catalog.int8 OPERATOR(pg_catalog.>) wanted.value::pg_catalog.int8
                      ELSE true END) AS settings`;

/** Sets settings in the caller's transaction, in one statement, which skips those that this version does not have. */
export async function setLocalSettings(
  client: ClientBase,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  await setSettings(client, settings, { isLocal: true });
}

/** The same for the rest of the session: of a dedicated connection only, because it would leak behind a pooler. */
export async function setSessionSettings(
  client: ClientBase,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  await setSettings(client, settings, { isLocal: false });
}

async function setSettings(
  client: ClientBase,
  settings: Readonly<Record<string, string>>,
  { isLocal }: { isLocal: boolean },
): Promise<void> {
  await client.query(
    `SELECT pg_catalog.set_config(wanted.key, wanted.value, $2)
       FROM pg_catalog.json_each_text($1) wanted
       JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = wanted.key`,
    [JSON.stringify(settings), isLocal],
  );
}
