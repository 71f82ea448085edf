import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { PgkeepError } from '../../src/core/errors.js';
import { applyMigrations } from '../../src/migrations/schema-engine.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { createDatabase, PrismaApplication, query } from './engine-application.js';

/** How packages/prisma-schema-engine-bridge fails is tested there; here, what pgkeep makes of it. */
describe('applying migrations with Prisma’s engine', () => {
  let own: ThrowAwayCluster;
  let application: PrismaApplication;
  let url: string;
  let databases = 0;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });
  beforeEach(async () => {
    databases += 1;
    url = await createDatabase(own.cluster, `apply_${databases}`);
    application = new PrismaApplication(url);
  });
  afterEach(() => {
    application.remove();
  });

  const apply = async (at = url) =>
    await applyMigrations({ database: parseDatabaseUrl(at), directory: application.migrations });

  const failure = async (at = url): Promise<PgkeepError> => {
    try {
      await apply(at);
    } catch (thrown) {
      if (thrown instanceof PgkeepError) return thrown;
      throw thrown;
    }
    throw new Error('it did not fail');
  };

  it('reports a failed migration with Prisma’s text and the next step', async () => {
    application.addMigration('1_bad', 'SELECT 1 / 0;');
    const hint =
      'A failed migration blocks later migrations. To see what was applied and the options: `npx pgkeep migrate resolve`.';
    const failed = await failure();
    expect(failed).toMatchObject({
      code: 'MIGRATION_FAILED',
      hint,
      cause: {
        prismaCode: 'P3018',
        migration: '1_bad',
        sqlState: '22012',
        databaseMessage: 'division by zero',
      },
    });
    expect(failed.message).toContain('Migration name: 1_bad\n\nDatabase error code: 22012');
    expect(await failure()).toMatchObject({
      code: 'MIGRATION_FAILED',
      hint,
      cause: { prismaCode: 'P3009', migration: '1_bad' },
    });
  });

  it('reports a schema with tables that no migration created', async () => {
    await query(url, 'CREATE TABLE somebody_elses (a integer)');
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    expect(await failure()).toMatchObject({
      code: 'MIGRATION_FAILED',
      cause: { prismaCode: 'P3005' },
      hint: 'The schema has tables that no migration created. Baseline it: `npx pgkeep migrate resolve --applied NAME`.',
    });
  });

  it('reports another run that holds the lock for too long', async () => {
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    const other = new Client(url);
    await other.connect();
    await other.query('SELECT pg_advisory_lock(72707369)');
    try {
      expect(await failure()).toMatchObject({
        code: 'DATABASE_TIMEOUT',
        cause: { prismaCode: 'P1002' },
        hint: 'Another migration is running on this database. Wait until it has ended, then try again.',
      });
    } finally {
      await other.end();
    }
    expect(await apply()).toEqual(['1_first']);
  });

  it('reports a wrong password, and never the password', async () => {
    const error = await failure(url.replace(own.cluster.password, 'wrong-secret'));
    expect(error).toMatchObject({
      code: 'DATABASE_ERROR',
      cause: { prismaCode: 'P1000', sqlState: '28P01' },
    });
    expect(JSON.stringify([error, error.message, error.stack, error.hint])).not.toContain('wrong-secret');
  });

  it('names a server that cannot be reached, and a database that does not exist', async () => {
    const unreachable = await failure('postgresql://pgkeep:secret@127.0.0.1:9/nothing');
    expect(unreachable).toMatchObject({ code: 'DATABASE_UNREACHABLE', cause: { prismaCode: 'P1001' } });
    expect(unreachable.message).toContain('`127.0.0.1:9`');
    expect(await failure(own.cluster.url('nowhere'))).toMatchObject({
      code: 'DATABASE_ERROR',
      cause: { prismaCode: 'P1003' },
      message: 'Database `nowhere` does not exist',
    });
  });

  it('connects as pgkeep does: to the host of a list that answers, with a verified certificate', async () => {
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    const root = encodeURIComponent(own.rootCertificateFile);
    const hosts = url.replace('@', '@127.0.0.1:9,');
    expect(await apply(`${hosts}?sslmode=verify-full&sslrootcert=${root}`)).toEqual(['1_first']);
  });

  it('keeps PostgreSQL’s message to a role that may not create tables', async () => {
    await query(url, `CREATE ROLE guest_${databases} LOGIN PASSWORD 'guest'`);
    expect(await failure(url.replace(/\/\/.*@/, `//guest_${databases}:guest@`))).toMatchObject({
      code: 'DATABASE_PERMISSION_DENIED',
      message: 'ERROR: permission denied for schema public',
      cause: { sqlState: '42501' },
    });
  });
});
