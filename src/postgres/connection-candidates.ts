import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import type { DatabaseHost, DatabaseUrl, SslMode } from '../config/database-url.js';
import { messageOf, PgkeepError } from '../core/errors.js';

/** One way to reach the server: a host, with or without TLS. */
export interface ConnectionCandidate extends DatabaseHost {
  /** False: no encryption. The files are read again for each connection: a replaced certificate needs no restart. */
  readonly ssl: ConnectionOptions | false;
  /** The same host with the other encryption, for when it refuses the first. */
  readonly isFallback: boolean;
}

/**
 * The ways to try, in order, with libpq's meaning of `sslmode` (docs: "SSL Mode Descriptions"), which
 * node-postgres reads otherwise: `require` encrypts without verifying (unless `sslrootcert` is given),
 * `prefer` falls back to no encryption, `allow` begins without. Unix sockets are never encrypted.
 * @throws PgkeepError `CONFIG_INVALID` when a certificate or key file cannot be read.
 */
export function connectionCandidates(url: DatabaseUrl): ConnectionCandidate[] {
  const candidates = url.hosts.flatMap(({ host, port }) =>
    encryptionsToTry(host, url.sslMode).map((encrypted, index) => ({
      host,
      port,
      get ssl() {
        return encrypted && tlsOptions(url, host);
      },
      isFallback: index > 0,
    })),
  );
  for (const { ssl } of candidates) void ssl;
  return candidates;
}

function encryptionsToTry(host: string, mode: SslMode): boolean[] {
  if (host.startsWith('/') || mode === 'disable') return [false];
  if (mode === 'allow') return [false, true];
  if (mode === 'prefer') return [true, false];
  return [true];
}

/** Whether the server's certificate is verified under this URL. */
export function verifiesServer(url: DatabaseUrl): boolean {
  const { sslMode, sslRootCert } = url;
  return (
    sslMode === 'verify-ca' ||
    sslMode === 'verify-full' ||
    (sslMode === 'require' && sslRootCert !== undefined)
  );
}

function tlsOptions(url: DatabaseUrl, host: string): ConnectionOptions {
  const root = verifiesServer(url) ? rootCertificate(url.sslRootCert) : undefined;
  return {
    rejectUnauthorized: verifiesServer(url),
    // Node would compare with a name that it chooses itself; libpq compares with the host of the URL, and only in verify-full.
    checkServerIdentity: (_servername, certificate) =>
      url.sslMode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
    ...(root === undefined ? {} : { ca: root }),
    ...(url.sslCert === undefined ? {} : { cert: readPem('sslcert', url.sslCert) }),
    ...(url.sslKey === undefined ? {} : { key: readPem('sslkey', url.sslKey) }),
    ...(url.sslPassword === undefined ? {} : { passphrase: url.sslPassword }),
  };
}

/** `sslrootcert`, or libpq's default file where it exists, or else (and for `system`) the authorities Node trusts. */
function rootCertificate(file: string | undefined): string | undefined {
  if (file === 'system') return undefined;
  if (file !== undefined) return readPem('sslrootcert', file);
  try {
    return readFileSync(path.join(homedir(), '.postgresql', 'root.crt'), 'utf8');
  } catch {
    // No default file is the usual case, and the system's authorities verify no less.
    return undefined;
  }
}

function readPem(parameter: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PgkeepError(
      'CONFIG_INVALID',
      `Cannot read the ${parameter} of the database URL: ${messageOf(cause)}`,
      {
        hint: `Give ${parameter} the path of a PEM file that this user may read.`,
        cause,
      },
    );
  }
}

/**
 * A URL with the credentials that its file has now. A copy that names another database of the server, or one host of
 * several, keeps those: only how to get in is taken.
 * @returns the same object where nothing was replaced
 */
export function currentUrl(url: DatabaseUrl): DatabaseUrl {
  const { source } = url;
  if (!source) return url;
  const latest = source.latest();
  if (latest.hosts === source.hosts) return url;
  const { user, password, sslMode, sslRootCert, sslCert, sslKey, sslPassword } = latest;
  const hosts = url.hosts === source.hosts ? latest.hosts : url.hosts;
  return { ...url, hosts, user, password, sslMode, sslRootCert, sslCert, sslKey, sslPassword };
}
