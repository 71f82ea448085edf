import type { PasswordSource } from './password-source.js';
import type { FileValue } from './secret-file.js';

/** libpq's sslmode values, from no encryption to a verified server. */
export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** Which kind of server a connection wants, as libpq's `target_session_attrs`. */
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
 * A PostgreSQL connection URL taken apart with libpq's meaning (docs: "Connection URIs", "Parameter Key
 * Words"): several hosts, Unix sockets, `sslmode` and its files. Prisma's own parameters are kept apart.
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
  /** In ms, from `connect_timeout` (seconds); undefined when the URL does not say. */
  readonly connectTimeoutMs: number | undefined;
  readonly sessionAttributes: SessionAttributes;
  /** `options`: server settings for the session (`-c name=value`). */
  readonly options: string | undefined;
  /** The file that the URL was read from, and is read from again; undefined where the URL itself was given. */
  readonly source?: UrlSource | undefined;
  /** Where the password comes from while the URL holds none. */
  readonly passwordSource?: PasswordSource | undefined;
  /** Of `DIRECT_URL`: the URL that must lead to the same database. */
  readonly sameAs?: SameDatabase | undefined;
}

/** A file that holds a URL. */
export interface UrlSource extends FileValue<DatabaseUrl> {
  /** The setting that names it, such as `DATABASE_URL_FILE`. */
  readonly setting: string;
  /** The hosts that the file named at the start: a copy of the URL that has others keeps them. */
  readonly hosts: readonly DatabaseHost[];
}

/** Another way to a database. */
export interface SameDatabase {
  readonly url: DatabaseUrl;
  /** The setting that names it, such as `DATABASE_URL`. */
  readonly setting: string;
  /** The database's name by the URL that is held against this one; a copy may name another of the server. */
  readonly database: string;
}

const SCHEME = /^postgres(?:ql)?:\/\//i;
const AUTHORITY = /^(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s;

/**
 * Takes a `postgresql://` URL apart.
 * @throws Error naming what is wrong; its message never quotes the URL, which holds a password.
 */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  if (!SCHEME.test(text)) throw new Error('it must begin with postgresql:// or postgres://');
  const parts = AUTHORITY.exec(text.replace(SCHEME, ''));
  // WHATWG's URL refuses the host lists and empty hosts that libpq takes, hence this expression of our own.
  if (!parts) throw new Error('it is not of the form postgresql://user:password@host:port/database');
  const [, credentials = '', authority = '', path = '', query = ''] = parts;
  // Else the rest of a password with an unescaped @ or / would be taken for a host or a database, and be shown.
  if (authority.includes('@') || path.includes('@')) {
    throw new Error('it has an @ too many (in a user, password or name write @ as %40, / as %2F, ? as %3F)');
  }
  const parameters = new URLSearchParams(query);
  const parameter = (name: string): string | undefined => parameters.get(name) || undefined;
  const separator = credentials.indexOf(':');
  const user = decode(separator < 0 ? credentials : credentials.slice(0, separator)) || parameter('user');
  const password = separator < 0 ? parameter('password') : decode(credentials.slice(separator + 1));
  const connectTimeout = parameter('connect_timeout');
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
    connectTimeoutMs: connectTimeout === undefined ? undefined : seconds('connect_timeout', connectTimeout),
    sessionAttributes: oneOf(
      SESSION_ATTRIBUTES,
      'target_session_attrs',
      parameter('target_session_attrs') ?? 'any',
    ),
    options: parameter('options'),
  };
}

/** The URL's server and database for people: no user, no password, no parameters. */
export function describeDatabaseUrl(url: DatabaseUrl): string {
  return `${describeServer(url)}/${url.database}`;
}

/** The URL's server alone, for people. */
export function describeServer({ hosts }: DatabaseUrl): string {
  return hosts.map(({ host, port }) => (host.startsWith('/') ? host : `${host}:${port}`)).join(',');
}

function parseHosts(
  authority: string,
  hostList: string | undefined,
  portList: string | undefined,
): DatabaseHost[] {
  const named = authority ? authority.split(',').map(splitHost) : [];
  // As in libpq, `?host=` and `?port=` win over the authority.
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
  // Prisma's own spelling for "verify the certificate".
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

function seconds(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`its ${name} is not a whole number of seconds`);
  return value * 1000;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('it has a % that is not followed by two hexadecimal digits (write % as %25)');
  }
}
