import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Cluster } from './cluster.js';
import { isReachable } from './data-directory.js';
import { findPostgresBinaries } from './postgres-binaries.js';

const DAY_MS = 86_400_000;

/** The extension that counts statements. */
export const STATEMENTS = 'pg_stat_statements';

/** Without utility statements such as CREATE TABLE, which the set-up sends. */
const STATEMENT_SETTINGS = {
  shared_preload_libraries: STATEMENTS,
  [`${STATEMENTS}.track_utility`]: 'off',
};

/** A running embedded cluster, and the certificate its clients verify it with. */
export interface EmbeddedCluster {
  readonly cluster: Cluster;
  /** PEM file, for `sslrootcert`. */
  readonly rootCertificateFile: string;
  /** Whether the server counts its statements: pg_stat_statements is installed on this machine, as Debian's package does. */
  readonly countsStatements: boolean;
}

/**
 * Opens the PostgreSQL of a state directory (`.pgkeep`), creating it the first time. TLS is on, with a new certificate
 * at every start.
 * @throws PgkeepError `CLUSTER_BINARIES_MISSING`, `CLUSTER_IN_USE`, `CLUSTER_FAILED`.
 */
export async function startEmbeddedCluster(
  stateDirectory: string,
  options: { searchPath: string; now: Date },
): Promise<EmbeddedCluster> {
  const binaries = findPostgresBinaries(stateDirectory, options.searchPath);
  mkdirSync(stateDirectory, { recursive: true });
  const validity = {
    notBefore: new Date(options.now.getTime() - DAY_MS),
    notAfter: new Date(options.now.getTime() + 365 * DAY_MS),
  };
  // Loaded only here: no other start needs certificates.
  const { CertificateAuthority } = await import('./certificates.js');
  const authority = await CertificateAuthority.create(validity);
  const server = await authority.issue({
    commonName: 'localhost',
    hosts: ['localhost', '127.0.0.1'],
    ...validity,
  });
  const countsStatements = existsSync(path.join(binaries.bin, '..', 'lib', `${STATEMENTS}.so`));
  const cluster = await Cluster.start({
    directory: clusterDirectory(stateDirectory),
    binaries,
    settings: countsStatements ? STATEMENT_SETTINGS : {},
    tls: { ...server, root: authority.certificate },
  });
  const rootCertificateFile = path.join(stateDirectory, 'root.crt');
  writeFileSync(rootCertificateFile, authority.certificate);
  return { cluster, rootCertificateFile, countsStatements };
}

/**
 * Returns the directory of the cluster: below the state directory, or, where PostgreSQL's unprivileged user cannot reach
 * that (root's home), in /var/tmp under a name derived from the state directory.
 */
function clusterDirectory(stateDirectory: string): string {
  if (process.getuid?.() !== 0 || isReachable(stateDirectory)) return path.join(stateDirectory, 'cluster');
  const name = createHash('sha256').update(path.resolve(stateDirectory)).digest('hex').slice(0, 12);
  return path.join('/var/tmp', `pgkeep-${name}`);
}
