import { TLSSocket } from 'node:tls';
import type { Client } from 'pg';

/** What is known of a connection's encryption: from this end of the socket, and from the server. */
export interface TlsFacts {
  /** `TLSv1.3`, or undefined where the socket is not encrypted. */
  readonly protocol: string | undefined;
  /** `pg_stat_ssl.ssl` of this very backend. */
  readonly serverSeesTls: boolean;
  /** The server sees another client port than this socket's: a pooler or proxy stands between. */
  readonly behindProxy: boolean;
}

/** The server's half of {@link TlsFacts}; part of any query as `FROM (…) AS tls`. */
export const SERVER_TLS_QUERY = `
  SELECT coalesce((SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()), false) AS server_sees_tls,
         pg_catalog.inet_client_port() AS client_port`;

/** Puts both halves together. `clientPort` is null on a Unix socket. */
export function tlsFacts(
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
