import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { withClient } from '../src/engine-database.js';
import { nodePostgresDatabase } from '../src/node-postgres.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../../../test/support/throw-away-cluster.js';

describe('a database by its URL', () => {
  let encrypted: ThrowAwayCluster;
  let plain: ThrowAwayCluster;

  beforeAll(async () => {
    [encrypted, plain] = await Promise.all([startThrowAwayCluster(), startThrowAwayCluster({ tls: false })]);
  });
  afterAll(async () => {
    await Promise.all([encrypted.cluster.destroy(), plain.cluster.destroy()]);
  });

  const isEncrypted = async (url: string): Promise<unknown> =>
    await withClient(nodePostgresDatabase(url), async (client) => {
      const { rows } = await client.query<{ ssl: boolean }>(
        'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      );
      return rows[0]?.ssl;
    });

  const url = (own: ThrowAwayCluster, parameters = ''): string => own.cluster.url('postgres') + parameters;

  it('has a name, a PostgreSQL schema and siblings', () => {
    const database = nodePostgresDatabase('postgresql://me@host/clinic?schema=own&connect_timeout=1');
    expect(database).toMatchObject({ name: 'clinic', schema: 'own' });
    expect(database.sibling('other')).toMatchObject({ name: 'other', schema: 'own' });
    expect(nodePostgresDatabase('postgres://me@host/clinic')).toMatchObject({
      name: 'clinic',
      schema: 'public',
    });
  });

  it('is reached with libpq’s meaning of sslmode', async () => {
    const root = encodeURIComponent(encrypted.rootCertificateFile);
    expect(await isEncrypted(url(encrypted))).toBe(true);
    expect(await isEncrypted(url(encrypted, '?sslmode=prefer'))).toBe(true);
    expect(await isEncrypted(url(encrypted, '?sslmode=require'))).toBe(true);
    expect(await isEncrypted(url(encrypted, `?sslmode=verify-full&sslrootcert=${root}`))).toBe(true);
    expect(await isEncrypted(url(encrypted, '?sslmode=disable'))).toBe(false);
    expect(await isEncrypted(url(plain))).toBe(false);
    await expect(isEncrypted(url(plain, '?sslmode=require'))).rejects.toMatchObject({
      prismaCode: 'P1011',
      message: 'Error opening a TLS connection: The server does not support SSL connections',
    });
    await expect(isEncrypted(url(encrypted, '?sslmode=verify-full'))).rejects.toMatchObject({
      prismaCode: 'P1011',
      message: 'Error opening a TLS connection: self-signed certificate in certificate chain',
    });
  });

  it('fails with Prisma’s errors, which do not hold the password', async () => {
    const wrong = url(encrypted).replace(encrypted.cluster.password, 'wrong-secret');
    const error: unknown = await isEncrypted(wrong).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ prismaCode: 'P1000', sqlState: '28P01' });
    expect(JSON.stringify([error, String(error)])).not.toContain('wrong-secret');
    await expect(isEncrypted('postgresql://me:secret@127.0.0.1:9/nothing')).rejects.toMatchObject({
      prismaCode: 'P1001',
      message:
        "Can't reach database server at `127.0.0.1:9`\n\nPlease make sure your database server is running at `127.0.0.1:9`.",
    });
    await expect(isEncrypted(encrypted.cluster.url('nowhere'))).rejects.toMatchObject({
      prismaCode: 'P1003',
      message: 'Database `nowhere` does not exist',
    });
  });

  it.each([
    'mysql://a:secret@b/c',
    'secret',
    'postgresql://a:secret@b:port/c',
    'postgresql://a:secret@b/c?sslmode=x',
  ])('refuses a text that is no such URL, without repeating it: %s', (text) => {
    expect(() => nodePostgresDatabase(text)).toThrow(
      expect.objectContaining({
        prismaCode: 'P1013',
        message: expect.not.stringContaining('secret') as unknown,
      }),
    );
  });
});
