import type { Client } from 'pg';
import { isPooled } from './session.js';

/** The server that a connection found among the URL's hosts. */
export interface ReachedServer {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  /** The database's encoding, `server_encoding`. */
  readonly encoding?: string | undefined;
  /** Whether a pooler stands before it: a pooler takes no start-up options. */
  readonly isPooled?: boolean | undefined;
}

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

const encodings = new WeakMap<Client, string>();

/** Remembers what the server says of itself while a connection is made. */
export function watchServer(client: Client): void {
  client.connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
    if (parameterName === 'server_encoding') encodings.set(client, parameterValue);
  });
}

/** Where a program that libpq connects has to go to find the very server of this connection. */
export function reachedServer(client: Client): ReachedServer {
  const { host, port, user } = client;
  return { host, port, user, encoding: encodings.get(client), isPooled: isPooled(client) };
}
