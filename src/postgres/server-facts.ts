import { TLSSocket } from 'node:tls';
import type { Client } from 'pg';
import { readOne, type ReadTimeouts } from './read.js';

/** The server's half of {@link TlsFacts}; part of any query as `FROM (…) AS tls`. */
const SERVER_TLS_QUERY = `
  SELECT coalesce((SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()), false) AS server_sees_tls,
         pg_catalog.inet_client_port() AS client_port`;

/** Facts about the server and about this connection. */
export interface ServerFacts {
  /** `15.18` */
  readonly version: string;
  readonly database: string;
  /** `current_user`. */
  readonly role: string;
  /** How long a round trip took, ms. */
  readonly latencyMs: number;
  readonly inRecovery: boolean;
  /** `default_transaction_read_only`, or recovery. */
  readonly readOnly: boolean;
  /** `max_connections`. */
  readonly maxConnections: number;
  /** Connections that only superusers and reserved roles may use. */
  readonly reservedConnections: number;
  readonly tls: TlsFacts;
  /** Whether the role is a superuser, which can install the DDL guard. */
  readonly isSuperuser: boolean;
}

interface ServerRow {
  readonly version: string;
  readonly database: string;
  readonly role: string;
  readonly in_recovery: boolean;
  readonly read_only: boolean;
  readonly max_connections: number;
  readonly reserved: number;
  readonly server_sees_tls: boolean;
  readonly client_port: number | null;
  readonly superuser: boolean;
}

/** Reads the facts about the server and about this connection. */
export async function readServerFacts(client: Client, timeouts: ReadTimeouts): Promise<ServerFacts> {
  const started = performance.now();
  const row = await readOne<ServerRow>(client, { sql: SERVER_QUERY, ...timeouts });
  const latencyMs = Math.max(1, Math.round(performance.now() - started));
  return {
    version: row.version.split(' ')[0] ?? row.version,
    database: row.database,
    role: row.role,
    latencyMs,
    inRecovery: row.in_recovery,
    readOnly: row.in_recovery || row.read_only,
    maxConnections: row.max_connections,
    reservedConnections: row.reserved,
    tls: tlsFacts(client, row),
    isSuperuser: row.superuser,
  };
}

// reserved_connections exists since PostgreSQL 16; read with missing_ok, it is null before.
// Whether the database or the role is read-only; this session has set the opposite for itself.
const SERVER_QUERY = `
  SELECT pg_catalog.current_setting('server_version') AS version,
         pg_catalog.current_database()::text AS database,
         current_user::text AS role,
         pg_catalog.pg_is_in_recovery() AS in_recovery,
         (SELECT s.reset_val = 'on' FROM pg_catalog.pg_settings s
           WHERE s.name = 'default_transaction_read_only') AS read_only,
         pg_catalog.current_setting('max_connections')::int AS max_connections,
         pg_catalog.current_setting('superuser_reserved_connections')::int
           + coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0) AS reserved,
         coalesce((SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user), false) AS superuser,
         tls.*
    FROM (${SERVER_TLS_QUERY}) tls`;

/** The encryption of a connection, as this end of the socket and the server see it. */
export interface TlsFacts {
  /** `TLSv1.3`, or undefined where the socket is not encrypted. */
  readonly protocol: string | undefined;
  /** `pg_stat_ssl.ssl` of this very backend. */
  readonly serverSeesTls: boolean;
  /** The server sees another client port than this socket's: there is a pooler or proxy in between. */
  readonly behindProxy: boolean;
}

/** Combines both halves. `client_port` is null on a Unix socket. */
function tlsFacts(
  client: Client,
  server: { server_sees_tls: boolean; client_port: number | null },
): TlsFacts {
  const { stream } = client.connection;
  const localPort = 'localPort' in stream ? stream.localPort : undefined;
  return {
    protocol: stream instanceof TLSSocket ? (stream.getProtocol() ?? undefined) : undefined,
    serverSeesTls: server.server_sees_tls,
    behindProxy: localPort !== undefined && server.client_port !== null && localPort !== server.client_port,
  };
}
