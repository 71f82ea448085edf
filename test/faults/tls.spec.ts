import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyAndCertificate } from '../../src/cluster/certificates.js';
import { SSL_MODES, type SslMode } from '../../src/config/database-url.js';
import { evaluate } from '../support/evaluate.js';
import { query } from '../support/clinic.js';
import { changedUrl, createGuarded, type GuardedDatabase } from '../support/guarded-database.js';
import { presentCertificate, selfSigned } from '../support/server-certificates.js';
import { PRODUCTION } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const DAY_MS = 86_400_000;
const HINT = 'Check sslmode and sslrootcert of the database URL against the server’s certificate.';
const NO_GUARD =
  '; the DDL guard against DROP and TRUNCATE is not installed: run `pgkeep install --ddl-guard`';
const UNVERIFIED = `TLSv1.3, 20 of 100 connections; the server’s certificate is not verified: set sslmode=verify-full${NO_GUARD}`;
const VERIFIED = `TLSv1.3, 20 of 100 connections${NO_GUARD}`;
const PLAIN = `Database connection must use SSL in production${NO_GUARD}`;
const failed = (why: string) => `No usable database connection: TLS failed: ${why}. ${HINT}`;

type Outcomes = Record<SslMode, string>;

/** What `databaseSafety` reports if there was a connection, else what `database` reports. */
async function outcomes(guarded: GuardedDatabase, host: string, parameters = {}): Promise<Outcomes> {
  const found: Partial<Outcomes> = {};
  for (const sslmode of SSL_MODES) {
    found[sslmode] = await outcome(
      guarded,
      changedUrl(guarded.url, { hostname: host }, { sslmode, ...parameters }),
    );
  }
  return { disable: '', allow: '', prefer: '', require: '', 'verify-ca': '', 'verify-full': '', ...found };
}

async function outcome(guarded: GuardedDatabase, url: string): Promise<string> {
  const { checks } = await evaluate({
    ...PRODUCTION,
    READINESS_REFRESH_MS: '5000',
    READINESS_TIMEOUT_MS: '2000',
    DATABASE_URL: url,
    MIGRATIONS_DIR: guarded.migrationsDirectory,
  });
  const { database, databaseSafety } = checks;
  return (database?.ok ? databaseSafety?.details : database?.details) ?? '';
}

describe('a server that speaks no TLS', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster({ tls: false });
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });

  it('is used unencrypted if sslmode allows it, which production refuses; else the connection fails', async () => {
    const no = failed('The server does not support SSL connections');
    const found = await outcomes(await createGuarded(own, 'plain'), '127.0.0.1');
    expect(found).toEqual({
      disable: PLAIN,
      allow: PLAIN,
      prefer: PLAIN,
      require: no,
      'verify-ca': no,
      'verify-full': no,
    });
  });
});

describe('a server that speaks TLS', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;
  let directory: string;
  const inTime = { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) };

  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-tls-'));
    chmodSync(directory, 0o711);
    own = await startThrowAwayCluster({
      hba: [
        'hostssl all certified 127.0.0.0/8 cert',
        'hostssl all encrypted 127.0.0.0/8 scram-sha-256',
        'hostnossl all unencrypted 127.0.0.0/8 scram-sha-256',
        'host all postgres 127.0.0.0/8 scram-sha-256',
      ],
    });
    guarded = await createGuarded(own, 'guarded');
    await query(
      guarded.url,
      `CREATE ROLE certified LOGIN SUPERUSER;
       CREATE ROLE encrypted LOGIN SUPERUSER PASSWORD 'hush-encrypted';
       CREATE ROLE unencrypted LOGIN SUPERUSER PASSWORD 'hush-unencrypted'`,
    );
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });

  const file = (name: string, content: string): string => {
    writeFileSync(path.join(directory, name), content, { mode: 0o600 });
    return path.join(directory, name);
  };
  const present = async (made: Promise<KeyAndCertificate>) => await presentCertificate(own, await made);
  const issue = async (hosts: string[], validity = inTime) =>
    await own.authority.issue({ commonName: 'server', hosts, ...validity });

  it('is verified if sslmode requires it, for the host of the URL', async () => {
    const found = await outcomes(guarded, '127.0.0.1', { sslrootcert: own.rootCertificateFile });
    expect(found).toEqual({
      disable: PLAIN,
      allow: PLAIN,
      prefer: UNVERIFIED,
      // With a root certificate, require verifies the authority, as in libpq.
      require: VERIFIED,
      'verify-ca': VERIFIED,
      'verify-full': VERIFIED,
    });
  });

  it('has a certificate of an unknown authority', async () => {
    const other = await selfSigned(['127.0.0.1']);
    const found = await outcomes(guarded, '127.0.0.1', { sslrootcert: file('other.crt', other.certificate) });
    const no = failed('self-signed certificate in certificate chain');
    expect(found).toMatchObject({ prefer: UNVERIFIED, require: no, 'verify-ca': no, 'verify-full': no });
    const withoutRoot = await outcomes(guarded, '127.0.0.1');
    expect(withoutRoot).toMatchObject({
      prefer: UNVERIFIED,
      require: UNVERIFIED,
      'verify-ca': no,
      'verify-full': no,
    });
  });

  it('has a self-signed certificate', async () => {
    await present(selfSigned(['127.0.0.1']));
    const no = failed('self-signed certificate');
    const found = await outcomes(guarded, '127.0.0.1');
    expect(found).toMatchObject({
      prefer: UNVERIFIED,
      require: UNVERIFIED,
      'verify-ca': no,
      'verify-full': no,
    });
  });

  it('has an expired certificate', async () => {
    await present(
      issue(['127.0.0.1'], {
        notBefore: new Date(Date.now() - 2 * DAY_MS),
        notAfter: new Date(Date.now() - DAY_MS),
      }),
    );
    const no = failed('certificate has expired');
    const found = await outcomes(guarded, '127.0.0.1', { sslrootcert: own.rootCertificateFile });
    expect(found).toEqual({
      disable: PLAIN,
      allow: PLAIN,
      prefer: UNVERIFIED,
      require: no,
      'verify-ca': no,
      'verify-full': no,
    });
    const unverified = await outcome(guarded, changedUrl(guarded.url, {}, { sslmode: 'require' }));
    expect(unverified).toBe(UNVERIFIED);
  });

  it('has a certificate for another host: verify-ca accepts it, verify-full does not', async () => {
    await present(issue(['db.example.com']));
    const found = await outcomes(guarded, '127.0.0.1', { sslrootcert: own.rootCertificateFile });
    expect(found).toMatchObject({
      require: VERIFIED,
      'verify-ca': VERIFIED,
      'verify-full': failed(
        "Hostname/IP does not match certificate's altnames: IP: 127.0.0.1 is not in the cert's list:",
      ),
    });
    const byName = await outcomes(guarded, 'localhost', { sslrootcert: own.rootCertificateFile });
    expect(byName).toMatchObject({
      'verify-ca': VERIFIED,
      'verify-full': failed(
        "Hostname/IP does not match certificate's altnames: Host: localhost. is not in the cert's altnames: DNS:db.example.com",
      ),
    });
  });

  it.each([
    ['prefer', 'encrypted', UNVERIFIED],
    ['allow', 'encrypted', UNVERIFIED],
    ['prefer', 'unencrypted', PLAIN],
    ['allow', 'unencrypted', PLAIN],
  ])('falls back with sslmode=%s as pg_hba.conf asks (%s)', async (sslmode, username, expected) => {
    const url = changedUrl(guarded.url, { username, password: `hush-${username}` }, { sslmode });
    expect(await outcome(guarded, url)).toBe(expected);
  });

  it('requires TLS, which sslmode=disable refuses', async () => {
    const url = changedUrl(
      guarded.url,
      { username: 'encrypted', password: 'hush-encrypted' },
      { sslmode: 'disable' },
    );
    expect(await outcome(guarded, url)).toBe(
      'No usable database connection: no pg_hba.conf entry for host "127.0.0.1", user "encrypted", database "guarded", no encryption. Check the user and password of the database URL, and pg_hba.conf.',
    );
  });

  it('requires a client certificate: sslcert and sslkey set it, and its absence is reported', async () => {
    const client = await own.authority.issue({ commonName: 'certified', ...inTime });
    const impostor = await own.authority.issue({ commonName: 'unknown', ...inTime });
    const certified = (parameters: Record<string, string>) =>
      outcome(guarded, changedUrl(guarded.url, { username: 'certified', password: '' }, parameters));
    const files = { sslcert: file('client.crt', client.certificate), sslkey: file('client.key', client.key) };
    expect(await certified({ sslmode: 'require', ...files })).toBe(UNVERIFIED);
    const refused = (why: string) =>
      `No usable database connection: ${why}. Check the user and password of the database URL, and pg_hba.conf.`;
    expect(await certified({ sslmode: 'require' })).toBe(
      refused('connection requires a valid client certificate'),
    );
    const wrong = {
      sslcert: file('other.crt', impostor.certificate),
      sslkey: file('other.key', impostor.key),
    };
    expect(await certified({ sslmode: 'require', ...wrong })).toBe(
      refused('certificate authentication failed for user "certified"'),
    );
    const mixed = { ...files, sslkey: wrong.sslkey };
    expect(await certified({ sslmode: 'require', ...mixed })).toMatch(
      /^No usable database connection: TLS failed: .*key values mismatch\. Check sslmode and sslrootcert/,
    );
  });

  it.each(['sslrootcert', 'sslcert', 'sslkey'])(
    'is configured with a %s that is missing or not PEM',
    async (name) => {
      const missing = path.join(directory, 'missing.pem');
      const parameters = (value: string) => ({ sslmode: 'verify-full', [name]: value });
      await expect(outcome(guarded, changedUrl(guarded.url, {}, parameters(missing)))).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: `Cannot read the ${name} of the database URL: ENOENT: no such file or directory, open '${missing}'`,
        hint: `Give ${name} the path of a PEM file that this user may read.`,
      });
      const garbage = file('garbage.pem', 'no PEM at all');
      expect(await outcome(guarded, changedUrl(guarded.url, {}, parameters(garbage)))).toMatch(
        /^No usable database connection: TLS failed: /,
      );
    },
  );
});
