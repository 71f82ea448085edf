import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import type { DatabaseUrl } from '../config/database-url.js';
import { verifiesServer } from '../postgres/connection-candidates.js';
import { currentUrl } from '../postgres/current-url.js';
import { passwordOf } from '../postgres/password.js';
import type { ReachedServer } from '../postgres/reached-server.js';
import { programOptions } from '../postgres/session-settings.js';
import { PgkeepError } from '../core/errors.js';
import type { PostgresTool } from './postgres-tool.js';

/** Where Debian, Red Hat and Alpine keep the authorities that the system trusts. */
const SYSTEM_AUTHORITIES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];

/**
 * The environment of a program that connects with libpq. Everything travels here: an argument would show in the
 * process list, and a database's name there could be read as a connection string.
 */
export async function libpqEnvironment(
  given: DatabaseUrl,
  server: ReachedServer,
  tool: PostgresTool,
): Promise<Record<string, string | undefined>> {
  const url = currentUrl(given);
  if (url.sslPassword !== undefined) {
    throw new PgkeepError('BACKUP_FAILED', 'Cannot give pg_dump the sslpassword of the database URL.', {
      hint: 'libpq takes it from no environment variable: use a key without a passphrase, readable by its owner only.',
    });
  }
  return {
    ...toolEnvironment(tool),
    // The very server that holds the snapshot, not the next one of a host list.
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

/** The environment of a program that does not connect. */
export function toolEnvironment(tool: PostgresTool): Record<string, string | undefined> {
  return { PATH: '/usr/bin:/bin', HOME: homedir(), LC_ALL: 'C', LD_LIBRARY_PATH: tool.libraryPath };
}

/** Without a file libpq refuses to verify, where pgkeep's own connection trusts the system's authorities. */
function rootCertificate(url: DatabaseUrl): string | undefined {
  if (url.sslRootCert !== undefined && url.sslRootCert !== 'system') return url.sslRootCert;
  const isDefaultThere = existsSync(path.join(homedir(), '.postgresql', 'root.crt'));
  if (!verifiesServer(url) || (isDefaultThere && url.sslRootCert === undefined)) return undefined;
  return SYSTEM_AUTHORITIES.find((file) => existsSync(file)) ?? 'system';
}
