import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import type { KeyAndCertificate } from '../../src/cluster/certificates.js';
import { query } from './clinic.js';
import type { ThrowAwayCluster } from './throw-away-cluster.js';
import { until } from './until.js';

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Replaces the certificate that the running server presents. */
export async function presentCertificate(
  { cluster, clusterOptions }: ThrowAwayCluster,
  { certificate, key }: KeyAndCertificate,
): Promise<void> {
  // Written in place: the files keep their owner, the server's user.
  writeFileSync(path.join(clusterOptions.directory, 'ssl_cert_file.pem'), certificate);
  writeFileSync(path.join(clusterOptions.directory, 'ssl_key_file.pem'), key);
  await query(cluster.url('postgres'), 'SELECT pg_reload_conf()');
  const wanted = new X509Certificate(certificate).fingerprint256;
  await until(async () => (await presented(cluster.port)) === wanted, 5000, 'the new certificate');
}

/** A self-signed certificate for these hosts. */
export async function selfSigned(hosts: readonly string[]): Promise<KeyAndCertificate> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [new SubjectAlternativeNameExtension(hosts.map((value) => ({ type: 'ip' as const, value })))],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    certificate: certificate.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`,
  };
}

async function presented(port: number): Promise<string | undefined> {
  const socket = connectTcp(port, '127.0.0.1');
  try {
    socket.write(SSL_REQUEST);
    await once(socket, 'data');
    const tls = connectTls({ socket, rejectUnauthorized: false });
    await once(tls, 'secureConnect');
    return tls.getPeerX509Certificate()?.fingerprint256;
  } finally {
    socket.destroy();
  }
}
