import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CertificateAuthority } from '../../src/cluster/certificates.js';
import { Cluster, type ClusterOptions } from '../../src/cluster/cluster.js';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { CLUSTERS_DIRECTORY, copyTemplateCluster } from './template-cluster.js';

const DAY_MS = 86_400_000;

const NOT_SYNCED = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

export interface ThrowAwayCluster {
  readonly cluster: Cluster;
  /** The options that the cluster was started with. */
  readonly clusterOptions: ClusterOptions;
  readonly authority: CertificateAuthority;
  /** Path of the authority's certificate, for `sslrootcert`. */
  readonly rootCertificateFile: string;
}

/** A separate PostgreSQL for a test: TLS with a throw-away authority, no fsync, removed with the process. */
export async function startThrowAwayCluster(
  options: Partial<Pick<ClusterOptions, 'settings' | 'hba'>> & {
    tls?: false;
    validity?: { notBefore: Date; notAfter: Date };
  } = {},
): Promise<ThrowAwayCluster> {
  const directory = mkdtempSync(path.join(CLUSTERS_DIRECTORY, 'pgkeep-test-'));
  // PostgreSQL's unprivileged user must be able to pass through, where the tests run as root.
  chmodSync(directory, 0o711);
  const validity = options.validity ?? {
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
  };
  const authority = await CertificateAuthority.create({
    notBefore: new Date(Date.now() - 30 * DAY_MS),
    notAfter: new Date(Date.now() + 30 * DAY_MS),
  });
  const server = await authority.issue({
    commonName: 'localhost',
    hosts: ['localhost', '127.0.0.1'],
    ...validity,
  });
  const clusterOptions: ClusterOptions = {
    directory: path.join(directory, 'cluster'),
    binaries: findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? ''),
    settings: { ...NOT_SYNCED, ...options.settings },
    ...(options.hba ? { hba: options.hba } : {}),
    ...(options.tls === false ? {} : { tls: { ...server, root: authority.certificate } }),
  };
  await copyTemplateCluster(clusterOptions.directory, {
    binaries: clusterOptions.binaries,
    settings: NOT_SYNCED,
  });
  const cluster = await Cluster.start(clusterOptions);
  const rootCertificateFile = path.join(directory, 'root.crt');
  writeFileSync(rootCertificateFile, authority.certificate);
  return { cluster, clusterOptions, authority, rootCertificateFile };
}
