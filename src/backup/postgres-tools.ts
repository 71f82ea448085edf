import { existsSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { programDirectories } from '../cluster/postgres-binaries.js';
import type { DatabaseUrl } from '../config/database-url.js';
import { PgkeepError } from '../core/errors.js';
import { run } from '../core/process/run.js';
import { currentUrl, verifiesServer } from '../postgres/connection-candidates.js';
import { passwordOf } from '../postgres/password.js';
import { programOptions, type ReachedServer } from '../postgres/session.js';

/** One of PostgreSQL's client programs, with its version. */
export interface PostgresTool {
  readonly file: string;
  /** `15.18` */
  readonly version: string;
  readonly major: number;
  /** The `LD_LIBRARY_PATH` that it needs if it was unpacked rather than installed. */
  readonly libraryPath: string | undefined;
}

export interface ToolQuery {
  readonly program: 'pg_dump' | 'pg_dumpall' | 'pg_restore' | 'psql' | 'postgres';
  /** Major version of the server or of the archive. An older program refuses both. */
  readonly atLeastMajor: number;
  /** Whether to take the newest program if none is new enough. */
  readonly orNewest?: boolean;
  readonly searchPath: string;
}

/**
 * Finds a program of PostgreSQL: that of the requested major version, or else the nearest newer one. Not the newest:
 * a dump of a server 15 by pg_dump 17 can be restored by pgkeep, but not by PostgreSQL's own programs.
 * @throws PgkeepError `BACKUP_TOOLS_MISSING` naming the package to install.
 */
export async function findTool({
  program,
  atLeastMajor,
  orNewest = false,
  searchPath,
}: ToolQuery): Promise<PostgresTool> {
  const tools = await installedTools(program, searchPath);
  const suitable = tools.filter(({ major }) => major >= atLeastMajor).toSorted(byVersion);
  const best = suitable[0] ?? (orNewest ? tools.toSorted(newestFirst)[0] : undefined);
  if (best) return best;
  const found = tools.map(({ version, file }) => `${version} (${file})`).join(', ') || 'none';
  throw new PgkeepError(
    'BACKUP_TOOLS_MISSING',
    `Cannot find ${program} of PostgreSQL ${atLeastMajor} or newer on this machine; found: ${found}.`,
    { hint: `Install it: apt-get install postgresql-client-${atLeastMajor}.` },
  );
}

/** Orders by major version, and within it the newest release first. */
function byVersion(left: PostgresTool, right: PostgresTool): number {
  return left.major - right.major || minorOf(right) - minorOf(left);
}

function newestFirst(left: PostgresTool, right: PostgresTool): number {
  return right.major - left.major || byVersion(left, right);
}

function minorOf({ version }: PostgresTool): number {
  return Number(version.split('.')[1] ?? 0);
}

async function installedTools(program: string, searchPath: string): Promise<PostgresTool[]> {
  const candidates = new Map<string, string | undefined>();
  for (const { bin, libraryPath } of programDirectories(searchPath)) {
    const file = path.join(bin, program);
    if (existsSync(file) && !candidates.has(realpathSync(file)))
      candidates.set(realpathSync(file), libraryPath);
  }
  const asked = [...candidates].map(([file, libraryPath]) => askVersion(program, file, libraryPath));
  return (await Promise.all(asked)).flat();
}

/** Returns the program with its version; nothing if it cannot be run. */
async function askVersion(
  program: string,
  file: string,
  libraryPath: string | undefined,
): Promise<PostgresTool[]> {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: libraryPath };
  const answer = await run(file, ['--version'], { env }).catch(() => undefined);
  const version = new RegExp(`^${program} \\(PostgreSQL\\) (\\d+(?:\\.\\d+)?)`).exec(
    answer?.stdout ?? '',
  )?.[1];
  return version ? [{ file, version, major: majorOf(version), libraryPath }] : [];
}

/** The certificate bundles of Debian, Alpine and Red Hat. */
const SYSTEM_AUTHORITIES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];

/**
 * Returns the environment of a program that connects with libpq. Nothing is passed as an argument: it would be visible in
 * the process list, and the name of a database could be taken for a connection string.
 */
export async function libpqEnvironment(
  given: DatabaseUrl,
  server: ReachedServer,
  tool: PostgresTool,
): Promise<Record<string, string | undefined>> {
  const url = currentUrl(given);
  if (url.sslPassword !== undefined) {
    throw new PgkeepError('BACKUP_FAILED', 'Cannot pass the sslpassword of the database URL to pg_dump.', {
      hint: 'libpq has no environment variable for it. Use a key without a passphrase that only its owner can read.',
    });
  }
  return {
    ...toolEnvironment(tool),
    // The server that holds the snapshot, not another one of a host list.
    PGHOST: server.host,
    PGPORT: String(server.port),
    PGUSER: url.user ?? server.user,
    PGPASSWORD: await passwordOf(url, server),
    PGDATABASE: url.database,
    PGSSLMODE: url.sslMode,
    PGSSLROOTCERT: rootCertificate(url),
    PGSSLCERT: url.sslCert,
    PGSSLKEY: url.sslKey,
    PGOPTIONS: server.isPooled ? url.options : programOptions(url.options),
    PGCLIENTENCODING: server.encoding,
    PGAPPNAME: `pgkeep ${path.basename(tool.file)}`,
    PGCONNECT_TIMEOUT: '30',
  };
}

/** Returns the environment of a program that does not connect. */
export function toolEnvironment(tool: PostgresTool): Record<string, string | undefined> {
  return { PATH: '/usr/bin:/bin', HOME: homedir(), LC_ALL: 'C', LD_LIBRARY_PATH: tool.libraryPath };
}

/** Returns the certificate bundle: without one libpq refuses to verify, while pgkeep trusts the system's authorities. */
function rootCertificate(url: DatabaseUrl): string | undefined {
  if (url.sslRootCert !== undefined && url.sslRootCert !== 'system') return url.sslRootCert;
  const isDefaultThere = existsSync(path.join(homedir(), '.postgresql', 'root.crt'));
  if (!verifiesServer(url) || (isDefaultThere && url.sslRootCert === undefined)) return undefined;
  return SYSTEM_AUTHORITIES.find((file) => existsSync(file)) ?? 'system';
}

/** Returns the major version, `15` of `15.18`. */
export function majorOf(version: string): number {
  return Number.parseInt(version, 10);
}
