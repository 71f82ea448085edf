import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createGuardedPool, type GuardedPoolOptions } from '../../src/client/guarded-adapter.js';
import type { GuardedPool } from '../../src/client/guarded-pool.js';
import { freePort } from '../../src/cluster/postmaster.js';
import { errorCode, messageOf } from '../../src/core/errors.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { PgBouncer } from '../support/pgbouncer.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

let own: ThrowAwayCluster;
let url: string;
const opened: GuardedPool[] = [];
const proxies: TcpProxy[] = [];

beforeAll(async () => {
  own = await startThrowAwayCluster();
  url = await createDatabase(own, 'application');
  await query(url, `CREATE ROLE app LOGIN PASSWORD 'of-the-app'`);
  await query(url, 'CREATE TABLE notes (id int PRIMARY KEY)');
  await query(url, 'GRANT ALL ON notes TO app');
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.end()));
  await Promise.all(proxies.splice(0).map((started) => started.close()));
});

afterAll(() => own.cluster.destroy());

/** A pool with short pauses; the environment of the test run has no part in it. */
function open(options: GuardedPoolOptions = {}): GuardedPool {
  const pool = createGuardedPool({ environment: {}, url: appUrl(), retryPauseMs: 20, ...options });
  opened.push(pool);
  return pool;
}

async function proxy(): Promise<TcpProxy> {
  const started = await TcpProxy.to(own.cluster.port);
  proxies.push(started);
  return started;
}

function appUrl(parameters: Readonly<Record<string, string>> = {}, port = own.cluster.port): string {
  const login = { username: 'app', password: 'of-the-app', hostname: '127.0.0.1', port: String(port) };
  return changedUrl(url, login, parameters);
}

async function one(pool: GuardedPool, sql: string): Promise<unknown> {
  const { rows } = await pool.query({ text: sql, rowMode: 'array' });
  return rows[0]?.[0];
}

/** A URL without a password, and a function that counts how often it is called: once for each try to connect. */
function counting(port: number, onTry: (tries: number) => void = () => undefined) {
  const counted = { tries: 0 };
  const given = new URL(appUrl({}, port));
  given.password = '';
  const password = async (): Promise<string> => {
    counted.tries += 1;
    onTry(counted.tries);
    return 'of-the-app';
  };
  return { counted, options: { url: given.href, password } };
}

describe('the size of the pool', () => {
  it.each([
    ['development', {}, {}, 5],
    ['staging', {}, {}, 10],
    ['production', {}, {}, 10],
    ['production', { DATABASE_MAX_CONNECTIONS: '20' }, {}, 20],
    ['development', { DB_POOL_MAX: '7' }, {}, 7],
    ['production', {}, { connection_limit: '3' }, 3],
    ['production', { DB_POOL_MAX: '20' }, { connection_limit: '3' }, 20],
    ['production', { DB_POOL_MAX: '500' }, { connection_limit: '0' }, 10],
  ] as const)('in %s with %j and the URL’s %j is %i', (environment, settings, parameters, size) => {
    const pool = open({ environment: { NODE_ENV: environment, ...settings }, url: appUrl(parameters) });
    expect(pool.options.max).toBe(size);
  });

  it('is what the application passes, whatever the settings are', () => {
    expect(open({ environment: { DB_POOL_MAX: '20' }, poolSize: 2 }).options.max).toBe(2);
  });

  it('comes with the other settings of the seeds, and the URL’s pool_timeout', () => {
    const limits = { DB_POOL_CONNECTION_TIMEOUT: '30', DB_IDLE_TIMEOUT: '1000' };
    expect(open().options).toMatchObject({
      connectionTimeoutMillis: 20_000,
      idleTimeoutMillis: 600_000,
    });
    expect(open({ url: appUrl({ pool_timeout: '4' }) }).options.connectionTimeoutMillis).toBe(4000);
    expect(open({ environment: limits, url: appUrl({ pool_timeout: '4' }) }).options).toMatchObject({
      connectionTimeoutMillis: 30_000,
      idleTimeoutMillis: 1000,
    });
  });

  it('takes the URL of production, and names every fault without a secret', () => {
    const environment = {
      DATABASE_URL: appUrl(),
      DATABASE_URL_PROD: changedUrl(url, { pathname: '/other' }),
    };
    expect(open({ url: undefined, environment }).url.database).toBe('application');
    const production = { ...environment, NODE_ENV: 'production' };
    expect(open({ url: undefined, environment: production }).url.database).toBe('other');
    expect(() => open({ environment: { DB_POOL_MAX: 'many' }, url: 'mysql://root:secret@host/x' })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: [
          '2 settings are invalid:',
          '  DATABASE_URL must be a PostgreSQL URL (postgresql://user:password@host:5432/database): it must begin with postgresql:// or postgres://',
          '  DB_POOL_MAX must be a whole number (connections); it is "many"',
        ].join('\n'),
      }),
    );
    expect(() => open({ environment: {}, url: undefined })).toThrow('DATABASE_URL must be set');
  });
});

describe('a session', () => {
  it('has every timeout, its name, and otherwise the settings of its database and role', async () => {
    const pool = open({ environment: { DB_QUERY_TIMEOUT: '8000' }, idleInTransactionTimeoutMs: 3000 });
    const setting = async (name: string) => await one(pool, `SHOW ${name}`);
    expect(await setting('statement_timeout')).toBe('8s');
    expect(await setting('lock_timeout')).toBe('4s');
    expect(await setting('idle_in_transaction_session_timeout')).toBe('3s');
    expect(await setting('search_path')).toBe('"$user", public');
    expect(await setting('application_name')).toBe('pgkeep client');
    expect(await one(pool, 'SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()')).toBe(
      'SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()',
    );
  });

  it('keeps a timeout that is shorter already, and the options of its URL', async () => {
    await query(url, `CREATE ROLE hasty LOGIN PASSWORD 'of-the-app'`);
    await query(url, `ALTER ROLE hasty SET statement_timeout = '2s'`);
    const hasty = changedUrl(appUrl({ application_name: 'ward' }), { username: 'hasty' });
    const pool = open({ url: `${hasty}&options=-c%20lock_timeout%3D150%20-c%20work_mem%3D5MB` });
    expect(await one(pool, 'SHOW statement_timeout')).toBe('2s');
    expect(await one(pool, 'SHOW lock_timeout')).toBe('150ms');
    expect(await one(pool, 'SHOW work_mem')).toBe('5MB');
    expect(await one(pool, 'SHOW application_name')).toBe('ward');
  });

  it('ends by the server’s own timeouts', async () => {
    const pool = open({ queryTimeoutMs: 200, lockTimeoutMs: 100, idleInTransactionTimeoutMs: 60_000 });
    await expect(pool.query('SELECT pg_sleep(5)')).rejects.toMatchObject({ code: '57014' });
    const holder = await pool.connect();
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE notes');
    await expect(pool.query('SELECT * FROM notes')).rejects.toMatchObject({ code: '55P03' });
    await holder.query('ROLLBACK');
    holder.release();
    const idle = await open({ idleInTransactionTimeoutMs: 50 }).connect();
    await idle.query('BEGIN');
    const stillOpen = `SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'`;
    await until(async () => (await query(url, stillOpen)).rows.length === 0);
    await expect(idle.query('SELECT 1')).rejects.toThrow(/not queryable|terminated/);
    idle.release();
  });

  it('is cut where the server does not answer, and is not given to the next caller', async () => {
    const slow = await proxy();
    const limits = { queryTimeoutMs: 100, idleInTransactionTimeoutMs: 60_000 };
    const pool = open({ url: appUrl({}, slow.port), ...limits, poolSize: 1 });
    const client = await pool.connect();
    await client.query('BEGIN');
    slow.mode = 'swallow';
    await expect(client.query('SELECT 1')).rejects.toThrow('no answer within 1100 ms');
    client.release();
    slow.mode = 'pass';
    expect(await one(pool, 'SELECT 1')).toBe(1);
  });
});

describe('connecting', () => {
  it('is tried three times while the server is down, and then says what to do', async () => {
    const port = await freePort();
    const { counted, options } = counting(port);
    const pool = open(options);
    await expect(pool.requireConnection()).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      message: `Cannot connect to 127.0.0.1:${port}/application: connect ECONNREFUSED 127.0.0.1:${port}`,
      hint: 'Check the host and port of the database URL, and that the server runs and accepts connections from this machine.',
    });
    expect(counted.tries).toBe(3);
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(counted.tries).toBe(6);
    expect(pool.totalCount).toBe(0);
  });

  it('succeeds where the server comes up within the tries', async () => {
    const late = await proxy();
    late.mode = 'refuse';
    const { counted, options } = counting(late.port, (tries) => {
      if (tries === 3) late.mode = 'pass';
    });
    expect(await one(open(options), 'SELECT current_user::text')).toBe('app');
    expect(counted.tries).toBe(3);
  });

  it('is not tried again with a wrong password', async () => {
    let tries = 0;
    const password = async () => {
      tries += 1;
      return 'guessed';
    };
    const { options } = counting(own.cluster.port);
    await expect(open({ ...options, password }).requireConnection()).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      message: `Cannot connect to 127.0.0.1:${own.cluster.port}/application: password authentication failed for user "app"`,
      hint: 'Check the user and password of the database URL, and pg_hba.conf.',
    });
    expect(tries).toBe(1);
  });

  it('never goes on without TLS where the authority is a wrong one', async () => {
    const other = await startThrowAwayCluster();
    try {
      const parameters = { sslmode: 'verify-full', sslrootcert: other.rootCertificateFile };
      await expect(open({ url: appUrl(parameters) }).requireConnection()).rejects.toMatchObject({
        code: 'DATABASE_UNREACHABLE',
        message: expect.stringMatching(/^Cannot connect to .*: TLS failed: /),
        hint: 'Check sslmode and sslrootcert of the database URL against the server’s certificate.',
      });
      const right = { sslmode: 'verify-full', sslrootcert: own.rootCertificateFile };
      const pool = open({ url: appUrl(right) });
      expect(await one(pool, 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).toBe(true);
    } finally {
      await other.cluster.destroy();
    }
  });

  it('takes a password that was rotated in its file, and closes the connections of the old one', async () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-url-')), 'url');
    writeFileSync(file, appUrl());
    const pool = open({ url: undefined, environment: { DATABASE_URL_FILE: file } });
    const before = await one(pool, 'SELECT pg_backend_pid()');
    await query(url, `ALTER ROLE app PASSWORD 'rotated'`);
    try {
      expect(await one(pool, 'SELECT pg_backend_pid()')).toBe(before);
      writeFileSync(file, changedUrl(appUrl(), { password: 'rotated' }));
      expect(await one(pool, 'SELECT pg_backend_pid()')).not.toBe(before);
    } finally {
      await query(url, `ALTER ROLE app PASSWORD 'of-the-app'`);
    }
  });

  it('works again by itself after a restart of the server under load', async () => {
    const restarted = await startThrowAwayCluster();
    const pool = open({ url: restarted.cluster.url('postgres'), retryPauseMs: 500 });
    let answers = 0;
    const failures: unknown[] = [];
    const load = new AbortController();
    const worker = async (): Promise<void> => {
      while (!load.signal.aborted) {
        await pool.query('SELECT pg_sleep(0.002)').then(
          () => (answers += 1),
          (error: unknown) => failures.push(error),
        );
      }
    };
    const workers = Array.from({ length: 12 }, worker);
    try {
      await until(() => answers > 50);
      await restarted.cluster.stop();
      await restarted.cluster.startServer();
      const before = answers;
      await until(() => answers > before + 100);
    } finally {
      load.abort();
      await Promise.all(workers);
      await pool.end();
      await restarted.cluster.destroy();
    }
    // What ran at that moment failed; nothing else is known about it, so it is not repeated.
    const allowed =
      /^(terminating connection due to administrator command|Connection terminated unexpectedly|connect ECONNREFUSED .*|read ECONNRESET|the database system is (starting up|shutting down))$/;
    expect(failures.map((error) => messageOf(error)).filter((text) => !allowed.test(text))).toEqual([]);
    expect(pool.totalCount).toBe(0);
  });
});

describe('through PgBouncer', () => {
  it('works in transaction mode, and leaves no setting in a session of the server', async () => {
    const bouncer = await PgBouncer.start(own, { pool_mode: 'transaction', default_pool_size: 1 });
    try {
      const pool = open({ url: bouncer.url('application'), queryTimeoutMs: 700 });
      expect(await one(pool, 'SHOW statement_timeout')).toBe('0');
      await expect(pool.query('SELECT pg_sleep(10)')).rejects.toThrow('no answer within 1700 ms');
      expect(await one(pool, 'SELECT 1')).toBe(1);
    } finally {
      await bouncer.stop();
    }
  });

  it('is tried again while PgBouncer is restarted', async () => {
    const settings = { pool_mode: 'transaction' };
    const bouncer = await PgBouncer.start(own, settings);
    const front = await TcpProxy.to(bouncer.port);
    const pool = open({ url: changedUrl(bouncer.url('application'), { port: String(front.port) }) });
    try {
      expect(await one(pool, 'SELECT 1')).toBe(1);
      front.cut();
      await until(() => pool.totalCount === 0);
      expect(await one(pool, 'SELECT 1')).toBe(1);
    } finally {
      await pool.end();
      await front.close();
      await bouncer.stop();
    }
  });
});

describe('a pool without a free connection', () => {
  it('refuses after its own deadline, and says what holds the connections', async () => {
    const pool = open({ poolSize: 1, acquireTimeoutMs: 1500 });
    const holder = await pool.connect();
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({
      code: 'POOL_EXHAUSTED',
      message: `No connection to 127.0.0.1:${own.cluster.port}/application was free within 1.5 s: 1 connection in use, 1 caller waiting. Nothing was sent to the database.`,
      hint: 'Look for transactions that stay open (in pg_stat_activity: state = idle in transaction), or raise DATABASE_MAX_CONNECTIONS.',
    });
    holder.release();
    expect(await one(pool, 'SELECT 1')).toBe(1);
  });
});

describe('closing', () => {
  it('finishes what has begun, those included that wait for a connection, and refuses the rest', async () => {
    const pool = open({ poolSize: 1 });
    const transaction = await pool.connect();
    await transaction.query('BEGIN');
    const waiting = one(pool, 'SELECT 2');
    const closed = pool.end();
    await expect(pool.query('SELECT 3')).rejects.toMatchObject({
      code: 'CLIENT_CLOSED',
      message: `Refused to connect to 127.0.0.1:${own.cluster.port}/application: the pool is closed. Nothing was sent to the database.`,
      hint: 'Finish the work before the client is disconnected.',
    });
    await transaction.query('INSERT INTO notes VALUES (1)');
    await transaction.query('COMMIT');
    transaction.release();
    expect(await waiting).toBe(2);
    await closed;
    await pool.end();
    expect(pool.totalCount).toBe(0);
    expect((await query(url, 'DELETE FROM notes RETURNING id')).rows).toEqual([{ id: 1 }]);
  });

  it('cuts what is left after the deadline: a statement, a caller who waits, a connection that is never returned', async () => {
    const pool = open({ poolSize: 2, closeTimeoutMs: 100 });
    await pool.connect();
    const running = pool.query('SELECT pg_sleep(30)').catch((error: unknown) => messageOf(error));
    const waiting = pool.query('SELECT 1').catch((error: unknown) => errorCode(error));
    const sleeping = `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()`;
    await until(async () => (await query(url, sleeping)).rows.length === 1 && pool.waitingCount === 1);
    await pool.end();
    expect(await running).toBe('Connection terminated unexpectedly');
    expect(await waiting).toBe('CLIENT_CLOSED');
  });

  it('does not wait for a server that does not answer', async () => {
    const frozen = await proxy();
    const pool = open({ url: appUrl({}, frozen.port) });
    expect(await one(pool, 'SELECT 1')).toBe(1);
    frozen.mode = 'swallow';
    await pool.end();
    await until(() => frozen.connections === 0);
  });

  it('closes a pool that never connected', async () => {
    const pool = open();
    await pool.end();
    expect(pool.totalCount).toBe(0);
  });
});
