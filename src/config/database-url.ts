import type { PasswordSource } from './password-source.js';
import type { FileValue } from './secret-file.js';

/** libpq's sslmode values, from no encryption to a verified server. */
export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** libpq's `target_session_attrs` values: the kind of server that a connection requires. */
export const SESSION_ATTRIBUTES = [
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
] as const;
export type SessionAttributes = (typeof SESSION_ATTRIBUTES)[number];

/** One server of a connection: a host name, an address, or the directory of a Unix socket. */
export interface DatabaseHost {
  readonly host: string;
  readonly port: number;
}

/**
 * The parts of a PostgreSQL connection URL, with libpq's meaning ("Connection URIs" and "Parameter Key Words" in its
 * documentation): several hosts, Unix sockets, `sslmode` and its files. Prisma's own parameters are separate.
 */
export interface DatabaseUrl {
  /** At least one; they are tried in order. */
  readonly hosts: readonly DatabaseHost[];
  readonly database: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Prisma's `schema` parameter: where the application's `_prisma_migrations` is. Defaults to `public`. */
  readonly schema: string;
  /** Defaults to `prefer`, as libpq's. */
  readonly sslMode: SslMode;
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  readonly sslPassword: string | undefined;
  /** In ms, from `connect_timeout` (seconds); undefined if the URL has none. */
  readonly connectTimeoutMs: number | undefined;
  readonly sessionAttributes: SessionAttributes;
  /** `options`: server settings for the session (`-c name=value`). */
  readonly options: string | undefined;
  /** `application_name`: how the application's own connections are shown in `pg_stat_activity`. */
  readonly applicationName: string | undefined;
  /** Prisma's `connection_limit`: the size of the pool, where no setting states it. */
  readonly connectionLimit: number | undefined;
  /** Prisma's `pool_timeout`, in ms: how long to wait for a free connection, where no setting states it. */
  readonly poolTimeoutMs: number | undefined;
  /** The file with the URL, which new connections read again; undefined if the URL itself was given. */
  readonly source?: UrlSource | undefined;
  /** Where the password comes from if the URL has none. */
  readonly passwordSource?: PasswordSource | undefined;
  /** For `DIRECT_URL`: the URL that must lead to the same database. */
  readonly sameAs?: SameDatabase | undefined;
}

/** A file that contains a URL. */
export interface UrlSource extends FileValue<DatabaseUrl> {
  /** The setting that names it, such as `DATABASE_URL_FILE`. */
  readonly setting: string;
  /** The hosts in the file at the start. A copy of the URL with other hosts keeps those. */
  readonly hosts: readonly DatabaseHost[];
}

/** Another way to a database. */
export interface SameDatabase {
  readonly url: DatabaseUrl;
  /** The setting that names it, such as `DATABASE_URL`. */
  readonly setting: string;
  /** The database that the compared URL names; a copy of it may name another one of the server. */
  readonly database: string;
}

const SCHEME = /^postgres(?:ql)?:\/\//i;
const AUTHORITY = /^(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s;

/**
 * Parses a `postgresql://` URL.
 * @throws Error that says what is wrong. Its message never quotes the URL, which contains a password.
 */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  if (!SCHEME.test(text)) throw new Error('it must begin with postgresql:// or postgres://');
  const parts = AUTHORITY.exec(text.replace(SCHEME, ''));
  // WHATWG's URL refuses the host lists and empty hosts that libpq accepts, hence this expression.
  if (!parts) throw new Error('it is not of the form postgresql://user:password@host:port/database');
  const [, credentials = '', authority = '', path = '', query = ''] = parts;
  // Otherwise the rest of a password with an unescaped @ or / would be shown as a host or a database.
  if (authority.includes('@') || path.includes('@')) {
    throw new Error(
      'it has too many @ characters (in a user, password or name write @ as %40, / as %2F, ? as %3F)',
    );
  }
  const parameters = new URLSearchParams(query);
  const parameter = (name: string): string | undefined => parameters.get(name) || undefined;
  const separator = credentials.indexOf(':');
  const user = decode(separator < 0 ? credentials : credentials.slice(0, separator)) || parameter('user');
  const password = separator < 0 ? parameter('password') : decode(credentials.slice(separator + 1));
  return {
    hosts: parseHosts(authority, parameter('host'), parameter('port')),
    database: decode(path) || parameter('dbname') || user || 'postgres',
    user,
    password: password || undefined,
    schema: parameter('schema') ?? 'public',
    sslMode: oneOf(SSL_MODES, 'sslmode', sslModeText(parameters)),
    sslRootCert: parameter('sslrootcert'),
    sslCert: parameter('sslcert'),
    sslKey: parameter('sslkey'),
    sslPassword: parameter('sslpassword'),
    connectTimeoutMs: seconds('connect_timeout', parameter('connect_timeout')),
    sessionAttributes: oneOf(
      SESSION_ATTRIBUTES,
      'target_session_attrs',
      parameter('target_session_attrs') ?? 'any',
    ),
    options: parameter('options'),
    applicationName: parameter('application_name'),
    connectionLimit: wholeNumber('connection_limit', parameter('connection_limit')),
    poolTimeoutMs: seconds('pool_timeout', parameter('pool_timeout')),
  };
}

/** Returns the server and the database of a URL for messages: no user, no password, no parameters. */
export function describeDatabaseUrl(url: DatabaseUrl): string {
  return `${describeServer(url)}/${url.database}`;
}

/** Returns the server of a URL for messages. */
export function describeServer({ hosts }: DatabaseUrl): string {
  return hosts.map(({ host, port }) => (host.startsWith('/') ? host : `${host}:${port}`)).join(',');
}

function parseHosts(
  authority: string,
  hostList: string | undefined,
  portList: string | undefined,
): DatabaseHost[] {
  const named = authority ? authority.split(',').map(splitHost) : [];
  // As in libpq, `?host=` and `?port=` win.
  const hosts = hostList ? hostList.split(',') : named.map(({ host }) => host);
  const ports = portList ? portList.split(',') : named.map(({ port }) => port);
  if (hosts.length === 0) hosts.push('localhost');
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new Error(`it names ${hosts.length} hosts and ${ports.length} ports`);
  }
  return hosts.map((host, index) => ({
    host: decode(host) || 'localhost',
    port: portNumber(ports[index] ?? ports[0] ?? ''),
  }));
}

function splitHost(text: string): { host: string; port: string } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed) return { host: bracketed[1] ?? '', port: bracketed[2] ?? '' };
  const colon = text.lastIndexOf(':');
  return colon < 0 ? { host: text, port: '' } : { host: text.slice(0, colon), port: text.slice(colon + 1) };
}

function portNumber(text: string): number {
  if (text === '') return 5432;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Error('its port is not a number from 1 to 65535');
  }
  return port;
}

function sslModeText(parameters: URLSearchParams): string {
  const mode = parameters.get('sslmode');
  // Prisma's spelling of "verify the certificate".
  if (parameters.get('sslaccept') === 'strict' && (!mode || mode === 'require' || mode === 'prefer')) {
    return 'verify-full';
  }
  return mode || 'prefer';
}

function oneOf<T extends string>(accepted: readonly T[], name: string, value: string): T {
  const found = accepted.find((candidate) => candidate === value);
  if (found === undefined) throw new Error(`its ${name} is not one of ${accepted.join(', ')}`);
  return found;
}

function seconds(name: string, text: string | undefined): number | undefined {
  const value = wholeNumber(name, text, ' of seconds');
  return value === undefined ? undefined : value * 1000;
}

function wholeNumber(name: string, text: string | undefined, unit = ''): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`its ${name} is not a whole number${unit}`);
  return value;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('it has a % that is not followed by two hexadecimal digits (write % as %25)');
  }
}
