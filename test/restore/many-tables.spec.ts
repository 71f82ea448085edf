import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { RestoreService } from '../../src/restore/restore/restore.service.js';
import type { RestoreTestReport } from '../../src/restore/test/restore-test.types.js';
import { locksPerTransaction } from '../../src/restore/test/throw-away-server.js';
import { withApp } from '../support/app.js';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { faultsOf, withRestoreTests } from '../support/restores.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const TABLES = 300;
/** The locks of pg_dump fit, but not those of indexes and sequences in addition. */
const SMALL_LOCK_TABLE = { max_locks_per_transaction: '20', max_connections: '30' };

describe('a database of many tables', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    own = await startThrowAwayCluster({ settings: SMALL_LOCK_TABLE });
    url = await createDatabase(own, 'many');
    const client = new Client({ connectionString: url });
    await client.connect();
    // One at a time: the locks of a larger transaction would permanently occupy shared memory.
    for (let made = 0; made < TABLES; made += 1) {
      const table = `tenant_${made}`;
      await client.query(
        `CREATE TABLE ${table} (id int PRIMARY KEY, name text UNIQUE, made int);
         CREATE INDEX ON ${table} (made); CREATE INDEX ON ${table} (made, id);
         CREATE INDEX ON ${table} (name, id); CREATE INDEX ON ${table} (name, made);
         INSERT INTO ${table} SELECT g, 'n' || g, g FROM generate_series(1, 3) g`,
      );
    }
    await client.end();
    await query(url, "CREATE SEQUENCE numbers; SELECT nextval('numbers')");
    environment = {
      DATABASE_URL: url,
      BACKUP_DIR: backupDirectory(),
      NODE_ENV: 'development',
      PATH: process.env['PATH'] ?? '',
    };
  });
  afterAll(() => own.cluster.destroy());

  async function backUp(format = 'custom'): Promise<string> {
    const { name, tables } = await withBackups({ ...environment, BACKUP_FORMAT: format }, (backups) =>
      backups.create(),
    );
    expect(tables).toBe(TABLES);
    return name;
  }

  async function test(backup: string, testUrl: string | undefined): Promise<RestoreTestReport> {
    const settings = { ...environment, ...(testUrl === undefined ? {} : { TEST_DATABASE_URL: testUrl }) };
    const report = await withRestoreTests(settings, (tests) => tests.run({ backup }));
    expect(faultsOf(report)).toEqual({});
    return report;
  }

  it('is backed up, and tested on a server whose lock table is small', async () => {
    expect((await test(await backUp(), own.cluster.url('postgres'))).restoredTo).toBe('fresh database');
  });

  it('is tested in a throw-away cluster', async () => {
    expect((await test(await backUp(), undefined)).restoredTo).toBe('throw-away cluster');
  });

  it('is tested in a given database, which is emptied again', async () => {
    await query(own.cluster.url('postgres'), `CREATE ROLE tester LOGIN PASSWORD 'secret'`);
    await query(own.cluster.url('postgres'), 'CREATE DATABASE given OWNER tester TEMPLATE template0');
    const given = changedUrl(own.cluster.url('given'), { username: 'tester', password: 'secret' });
    expect((await test(await backUp(), given)).restoredTo).toBe('given database');
    const left = `SELECT count(*)::int AS left FROM pg_class WHERE relname LIKE 'tenant%'`;
    expect((await query(own.cluster.url('given'), left)).rows).toEqual([{ left: 0 }]);
  });

  it.each(['custom', 'plain'])('is restored from a %s backup', async (format) => {
    const source = await backUp(format);
    const restored = await withApp(url, (app) => app.get(RestoreService).restore({ source }), environment);
    expect(restored.comparisons.filter(({ ok }) => !ok)).toEqual([]);
  });

  it('is not backed up while other sessions hold the locks, and PostgreSQL’s hint says what to change', async () => {
    const holder = new Client({ connectionString: url });
    await holder.connect();
    try {
      await holder.query(
        `DO $$ BEGIN FOR i IN 1..100000 LOOP PERFORM pg_advisory_lock(i); END LOOP;
               EXCEPTION WHEN out_of_memory THEN NULL; END $$`,
      );
      await holder.query('SELECT pg_advisory_unlock(i) FROM generate_series(1, 150) i');
      await expect(withBackups(environment, (backups) => backups.create())).rejects.toMatchObject({
        code: 'DATABASE_ERROR',
        message: expect.stringMatching(/^Cannot back up 127\.0\.0\.1:\d+\/many: out of shared memory$/),
        hint: 'You might need to increase max_locks_per_transaction.',
      });
    } finally {
      await holder.end();
    }
  });

  it('gets a throw-away server of sufficient size', () => {
    expect([0, 640, 641, 40_000].map(locksPerTransaction)).toEqual([64, 64, 65, 4000]);
  });
});
