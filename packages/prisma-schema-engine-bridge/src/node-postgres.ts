import { Client } from 'pg';
import { messageOf, SchemaEngineError } from './errors.js';
import { connectionError, type Connector, type EngineDatabase } from './engine-database.js';

/** How long a connection may take when the URL does not say (`connect_timeout`); Prisma's own default. */
const CONNECT_TIMEOUT_S = 5;

/** libpq's values of `sslmode`. */
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];

/** What node-postgres says about a server without TLS, which has no code. */
const WITHOUT_TLS = 'The server does not support SSL connections';

/**
 * Reads a `postgresql://` URL with node-postgres, with libpq's meaning of `sslmode` (`prefer` by default) and Prisma's
 * parameters `schema` and `connect_timeout`. One host; a Unix socket by its directory in `host`.
 * @throws SchemaEngineError `P1013` when it is not such a URL; the message does not repeat it.
 */
export function nodePostgresDatabase(text: string): EngineDatabase {
  const url = parseUrl(text);
  const described = new Client({ connectionString: connectionString(url, 'disable') });
  const { user = '', database = '', host, port } = described;
  const server = host.startsWith('/') ? host : `${host}:${port}`;
  return {
    name: database,
    schema: url.searchParams.get('schema') || 'public',
    sibling: (name) => {
      const other = new URL(url);
      other.pathname = `/${encodeURIComponent(name)}`;
      return nodePostgresDatabase(other.href);
    },
    connector: () => new UrlConnector(url),
    explain: (thrown) => connectionError(thrown, { user, database, server }),
  };
}

/** Connects to the host of a URL: with TLS first and then without it, where `sslmode` leaves the choice. */
class UrlConnector implements Connector {
  private readonly modes: string[];

  constructor(private readonly url: URL) {
    const mode = sslModeOf(url);
    this.modes = mode === 'prefer' || mode === 'allow' ? ['require', 'disable'] : [mode];
  }

  get Client(): new () => Client {
    const { url, modes } = this;
    const config = {
      connectionString: connectionString(url, modes[0] ?? 'disable'),
      connectionTimeoutMillis: connectTimeoutMs(url),
      application_name: url.searchParams.get('application_name') ?? 'prisma schema engine',
      keepAlive: true,
    };
    return class extends Client {
      constructor() {
        super(config);
        // A connection that breaks between two statements must not end the process; the next statement reports it.
        this.on('error', () => undefined);
      }
    };
  }

  async connect(): Promise<Client> {
    const client = new this.Client();
    try {
      await client.connect();
      return client;
    } catch (thrown) {
      client.connection.stream.destroy();
      if (this.modes.length === 1 || messageOf(thrown) !== WITHOUT_TLS) throw thrown;
      this.modes.shift();
      return await this.connect();
    }
  }
}

function parseUrl(text: string): URL {
  if (!/^postgres(?:ql)?:\/\//i.test(text) || !URL.canParse(text)) {
    throw invalid('it must be of the form postgresql://user:password@host:port/database');
  }
  const url = new URL(text);
  if (!SSL_MODES.includes(sslModeOf(url))) throw invalid(`its sslmode is not one of ${SSL_MODES.join(', ')}`);
  return url;
}

function sslModeOf(url: URL): string {
  return url.searchParams.get('sslmode') || 'prefer';
}

function invalid(reason: string): SchemaEngineError {
  return new SchemaEngineError(`The provided database string is invalid: ${reason}`, { prismaCode: 'P1013' });
}

function connectionString(url: URL, sslMode: string): string {
  const own = new URL(url);
  own.searchParams.set('sslmode', sslMode);
  // Without it, node-postgres takes `require` for `verify-full`.
  own.searchParams.set('uselibpqcompat', 'true');
  // libpq's word for the authorities of the system, which Node.js uses by default.
  if (own.searchParams.get('sslrootcert') === 'system') own.searchParams.delete('sslrootcert');
  return own.href;
}

function connectTimeoutMs(url: URL): number {
  const seconds = Number(url.searchParams.get('connect_timeout') ?? CONNECT_TIMEOUT_S);
  return Number.isFinite(seconds) ? seconds * 1000 : CONNECT_TIMEOUT_S * 1000;
}
