import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { DatabaseService } from '../../src/postgres/database.service.js';
import type { Problem } from '../../src/http/problem.js';
import type { DatabaseStats } from '../../src/stats/stats.types.js';
import { query } from '../support/clinic.js';
import { evaluate } from '../support/evaluate.js';
import { changedUrl, createGuarded, type GuardedDatabase } from '../support/guarded-database.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { PERIOD_MS, withService } from '../support/watched-service.js';

const TWO_PERIODS = 2 * PERIOD_MS;
const TOKEN = 'contention-token';
const ADMIN = { authorization: `Bearer ${TOKEN}` };
const STATS = '/admin/database/stats';

describe('a database that is busy or refuses', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;
  /** As a role that is not a superuser: it cannot use reserved connections, and row policies apply to it. */
  let ordinary: string;
  beforeAll(async () => {
    own = await startThrowAwayCluster({ settings: { max_connections: '12' } });
    guarded = await createGuarded(own, 'guarded');
    await query(
      guarded.url,
      `CREATE ROLE ordinary LOGIN PASSWORD 'hush-ordinary';
       GRANT SELECT ON _prisma_migrations, guarded TO ordinary`,
    );
    ordinary = changedUrl(guarded.url, { username: 'ordinary', password: 'hush-ordinary' });
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });

  const settings = (url = ordinary) => ({
    DATABASE_URL: url,
    MIGRATIONS_DIR: guarded.migrationsDirectory,
    ADMIN_API_TOKEN: TOKEN,
  });
  const connected = async (url = guarded.url): Promise<Client> => {
    const client = new Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };

  it.each([
    [
      'the password is wrong',
      { password: 'hush-wrong' },
      'DATABASE_AUTHENTICATION_FAILED',
      'password authentication failed for user "ordinary". Check the user and password of the database URL, and pg_hba.conf.',
    ],
    [
      'there is no password',
      { password: '' },
      'DATABASE_AUTHENTICATION_FAILED',
      'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string. Check the user and password of the database URL, and pg_hba.conf.',
    ],
    [
      'the role is unknown',
      { username: 'no%20body' },
      'DATABASE_AUTHENTICATION_FAILED',
      'password authentication failed for user "no body". Check the user and password of the database URL, and pg_hba.conf.',
    ],
    [
      'the database is unknown',
      { pathname: '/no%20where' },
      'DATABASE_NOT_FOUND',
      'database "no where" does not exist. Create the database, or correct the URL.',
    ],
  ])('names the next step if %s', async (_what, changes, code, why) => {
    const { status, checks } = await evaluate(settings(changedUrl(ordinary, changes)));
    expect([status, checks.database]).toEqual([
      'not_ready',
      {
        ok: false,
        code,
        hint: `docs/checks.md#${code.toLowerCase()}`,
        gate: 'enforce',
        details: `No usable database connection: ${why}`,
      },
    ]);
  });

  it('has no connection left: reported until one is free again', async () => {
    const held: Client[] = [];
    try {
      // 12, of which 3 are reserved for superusers.
      while (held.length < 9) held.push(await connected(ordinary));
      await withService(settings(), async (service) => {
        expect(await service.check('database')).toEqual({
          ok: false,
          code: 'DATABASE_TOO_MANY_CONNECTIONS',
          hint: 'docs/checks.md#database_too_many_connections',
          gate: 'enforce',
          details: expect.stringMatching(
            /^No usable database connection: (remaining connection slots are reserved.*|sorry, too many clients already)\. Lower the pools’ sizes \(DATABASE_MAX_CONNECTIONS\), or raise max_connections\.$/,
          ),
        });
        expect((await service.get<Problem>(STATS, ADMIN)).body).toMatchObject({
          status: 503,
          code: 'DATABASE_UNREACHABLE',
        });
        await held.pop()?.end();
        await service.untilVerdict('ready', TWO_PERIODS);
        // The checks keep their connection: a server that fills up afterwards does not affect it.
        await until(
          async () =>
            await connected(ordinary).then(
              (client) => client.end().then(() => false),
              () => true,
            ),
        );
        await service.untilVerdict('ready');
      });
    } finally {
      await Promise.all(held.map((client) => client.end()));
    }
  });

  it('has every pooled connection in use: the verdict is unaffected, the statistics show the queue', async () => {
    await withService({ ...settings(), DATABASE_MAX_CONNECTIONS: '2' }, async (service) => {
      await service.untilVerdict('ready');
      const { primary } = service.app.get(DatabaseService);
      const [first, second] = [await primary.connect(), await primary.connect()];
      const answering = service.get<DatabaseStats>(STATS, ADMIN);
      await until(() => primary.waitingCount === 1);
      const behind = [primary.connect(), primary.connect()];
      const { evaluatedAt } = await service.verdict();
      await until(async () => (await service.verdict()).evaluatedAt !== evaluatedAt);
      expect((await service.verdict()).status).toBe('ready');
      first.release();
      expect((await answering).body.connections).toMatchObject({
        max: 12,
        pool: { total: 2, idle: 0, waiting: 2 },
      });
      for (const client of [second, await behind[0]]) client?.release();
      (await behind[1])?.release();
    });
  });

  it('has its pool in use for longer than DB_POOL_CONNECTION_TIMEOUT: the statistics report it', async () => {
    const patience = { DATABASE_MAX_CONNECTIONS: '1', DB_POOL_CONNECTION_TIMEOUT: '1' };
    await withService({ ...settings(), ...patience }, async (service) => {
      const taken = await service.app.get(DatabaseService).primary.connect();
      const { status, body } = await service.get<Problem>(STATS, ADMIN);
      taken.release();
      expect([status, body.code, body.detail]).toEqual([
        503,
        'DATABASE_TIMEOUT',
        'Cannot collect the database statistics: timeout exceeded when trying to connect',
      ]);
      expect((await service.get(STATS, ADMIN)).status).toBe(200);
    });
  });

  it('has its migration history locked by a deploy: not ready, with the pid, until it ends', async () => {
    const deploy = await connected(changedUrl(guarded.url, {}, { application_name: 'deploy' }));
    try {
      await withService(settings(), async (service) => {
        await service.untilVerdict('ready');
        const { rows } = await deploy.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        const pid = String(rows[0]?.pid);
        await deploy.query('BEGIN; LOCK TABLE _prisma_migrations IN ACCESS EXCLUSIVE MODE');
        const { checks } = await service.untilVerdict('not_ready', TWO_PERIODS);
        // Only a role that may see other sessions is shown since when it is locked; this one may not.
        expect(checks.migrations).toEqual({
          ok: false,
          code: 'MIGRATIONS_LOCKED',
          hint: 'docs/checks.md#migrations_locked',
          gate: 'enforce',
          details: `public._prisma_migrations is locked by pid ${pid} (deploy): a migration is being deployed. Wait for the deploy to end. If nothing is being deployed: SELECT pg_terminate_backend(${pid});`,
        });
        expect([checks.database?.ok, checks.environment?.ok]).toEqual([true, true]);
        expect((await service.get('/ready')).tookMs).toBeLessThan(1000);
        await deploy.query('ROLLBACK');
        await service.untilVerdict('ready', TWO_PERIODS);
        await deploy.query('SELECT pg_advisory_lock(72707369)');
        await until(async () => /a deploy is running/.test((await service.check('migrations')).details));
        expect(await service.check('migrations')).toEqual({
          ok: true,
          details: `1/1 migrations applied; a deploy is running (pid ${pid})`,
        });
      });
    } finally {
      await deploy.end();
    }
  });

  it('answers too slowly for statement_timeout: the check that asked fails, the others do not', async () => {
    await withService(settings(), async (service) => {
      await service.untilVerdict('ready');
      // A policy that sleeps for each row makes reading slow for every role but superusers.
      await query(
        guarded.url,
        `ALTER TABLE _prisma_migrations ENABLE ROW LEVEL SECURITY;
         CREATE POLICY slow ON _prisma_migrations USING (pg_sleep(30) IS NOT NULL)`,
      );
      const { checks } = await service.untilVerdict('not_ready', TWO_PERIODS);
      expect([checks.database?.ok, checks.environment?.ok]).toEqual([true, true]);
      expect(checks.migrations).toEqual({
        ok: false,
        code: 'DATABASE_TIMEOUT',
        hint: 'docs/checks.md#database_timeout',
        gate: 'enforce',
        details: 'Not known: canceling statement due to statement timeout',
      });
      await query(
        guarded.url,
        'DROP POLICY slow ON _prisma_migrations; ALTER TABLE _prisma_migrations DISABLE ROW LEVEL SECURITY',
      );
      await service.untilVerdict('ready', TWO_PERIODS);
    });
  });

  it('has a table locked for longer than DB_QUERY_TIMEOUT: the statistics name it and do not wait again', async () => {
    const locker = await connected();
    try {
      await locker.query('BEGIN; LOCK TABLE guarded IN ACCESS EXCLUSIVE MODE');
      await withService({ ...settings(), DB_QUERY_TIMEOUT: '5000' }, async (service) => {
        for (const rows of ['estimated', 'exact']) {
          const { status, body } = await service.get<DatabaseStats>(`${STATS}?rows=${rows}`, ADMIN);
          expect(status).toBe(200);
          expect(body.tables.filter(({ locked }) => locked).map(({ name }) => name)).toEqual([
            'public.guarded',
          ]);
        }
        await service.untilVerdict('ready');
        await locker.query('COMMIT');
        const { body } = await service.get<DatabaseStats>(STATS, ADMIN);
        expect(body.tables.filter(({ locked }) => locked)).toEqual([]);
      });
    } finally {
      await locker.end();
    }
  });
});
