import { chmodSync, mkdtempSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { evaluate } from '../support/evaluate.js';
import { changedUrl, createGuarded, execute, migrationsDirectory } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const HOSTILE = {
  database: `da"ta %41 'b' ünï 🐘 $1; --`,
  role: `ro"le %s 'x' ñ \\ {}`,
  schema: `Sche"ma %25 'y' \u00df .;`,
  password: `p@ss:w/rd?#%41&=' "\\ é`,
};
const HAS_IPV6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);

describe('a database URL', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let sockets: string;
  const migrations = migrationsDirectory();
  beforeAll(async () => {
    // PostgreSQL's user must be able to write there, and a socket's path is short.
    sockets = mkdtempSync('/tmp/pgkeep-s-');
    chmodSync(sockets, 0o777);
    own = await startThrowAwayCluster({
      settings: {
        listen_addresses: HAS_IPV6 ? '127.0.0.1,::1' : '127.0.0.1',
        unix_socket_directories: sockets,
      },
    });
    ({ url } = await createGuarded(own, 'guarded', 'app'));
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });

  const verdictOf = async (databaseUrl: string) =>
    await evaluate({ DATABASE_URL: databaseUrl, MIGRATIONS_DIR: migrations });
  /** The URL with another authority and more parameters, as text: WHATWG's URL refuses what libpq accepts. */
  const at = (authority: string, parameters = ''): string =>
    `${url.replace(/@[^/]*/, `@${authority}`)}?schema=app${parameters}`;

  it('may contain hostile names: every verb works', async () => {
    const { database, role, schema, password } = HOSTILE;
    const hostile = await createGuarded(own, database, schema);
    const [quotedRole, quotedSchema] = [escapeIdentifier(role), escapeIdentifier(schema)];
    await execute(
      hostile.url,
      `CREATE ROLE ${quotedRole} LOGIN PASSWORD ${escapeLiteral(password)};
       ALTER DATABASE ${escapeIdentifier(database)} OWNER TO ${quotedRole};
       ALTER SCHEMA ${quotedSchema} OWNER TO ${quotedRole};
       ALTER TABLE ${quotedSchema}._prisma_migrations OWNER TO ${quotedRole}`,
    );
    const [user, secret] = [encodeURIComponent(role), encodeURIComponent(password)];
    const DATABASE_URL = `postgresql://${user}:${secret}@127.0.0.1:${own.cluster.port}/${encodeURIComponent(database)}?schema=${encodeURIComponent(schema)}`;
    const environment = { NODE_ENV: 'test', DATABASE_URL, MIGRATIONS_DIR: migrations };
    expect((await evaluate(environment)).status).toBe('ready');
    const ping = await runCli(['ping'], environment);
    expect([ping.code, ping.stderr]).toEqual([0, '']);
    expect(ping.stdout).toContain(`(primary), database "${database}", role "${role}", TLSv1.3, `);
    expect(await runCli(['install'], environment)).toMatchObject({ code: 0, stderr: '' });
    expect(await runCli(['stamp', 'test'], environment)).toMatchObject({ code: 0, stderr: '' });
    expect(await runCli(['stats', '--exact'], environment)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`${schema}._prisma_migrations`),
      stderr: '',
    });
    const { checks } = await evaluate(environment);
    expect([checks.environment, checks.migrations]).toEqual([
      { ok: true, details: 'test' },
      { ok: true, details: '1/1 migrations applied' },
    ]);
    await execute(hostile.url, `REVOKE ALL ON ${quotedSchema}._prisma_migrations FROM ${quotedRole}`);
    expect((await evaluate(environment)).checks.migrations).toMatchObject({
      code: 'MIGRATIONS_PERMISSION_DENIED',
      details: `Role ${quotedRole} may not read ${schema}._prisma_migrations. Give it the grant: GRANT USAGE ON SCHEMA ${quotedSchema} TO ${quotedRole}; GRANT SELECT ON ${quotedSchema}._prisma_migrations TO ${quotedRole};`,
    });
  });

  it('may contain Prisma’s own parameters', async () => {
    const prisma =
      '&connection_limit=10&pool_timeout=20&pgbouncer=true&socket_timeout=5&statement_cache_size=0';
    expect((await verdictOf(at(`127.0.0.1:${own.cluster.port}`, prisma))).status).toBe('ready');
    const inPublic = await verdictOf(`${url}?${prisma.slice(1)}`);
    expect(inPublic.checks.migrations).toMatchObject({
      code: 'MIGRATIONS_PENDING',
      details:
        'Migration issues: 1 pending; public._prisma_migrations does not exist: the database was never migrated',
    });
  });

  it('may name a Unix socket, as the host or in a parameter', async () => {
    const { port } = own.cluster;
    for (const socketUrl of [
      at(`${encodeURIComponent(sockets)}:${port}`),
      at('', `&host=${sockets}&port=${port}`),
      at('localhost', `&host=${encodeURIComponent(sockets)}&port=${port}&sslmode=verify-full`),
    ]) {
      const { status, checks } = await verdictOf(socketUrl);
      expect([status, checks.databaseSafety?.details]).toEqual([
        'ready',
        expect.stringMatching(/^no TLS, 10 of 100 connections; /),
      ]);
    }
    const wrong = await verdictOf(at('', `&host=${path.join(sockets, 'missing')}`));
    expect(wrong.checks.database).toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      details: expect.stringContaining(`connect ENOENT ${sockets}/missing/.s.PGSQL.5432`),
    });
  });

  it.each(['refuse', 'swallow'] as const)(
    'may list several hosts, of which the first does not answer (%s)',
    async (mode) => {
      const proxy = await TcpProxy.to(own.cluster.port);
      proxy.mode = mode;
      try {
        const { port } = own.cluster;
        for (const listed of [
          at(`127.0.0.1:${proxy.port},127.0.0.1:${port}`),
          at('', `&host=127.0.0.1,127.0.0.1&port=${proxy.port},${port}`),
        ]) {
          expect((await verdictOf(listed)).checks.database).toMatchObject({ ok: true });
        }
      } finally {
        await proxy.close();
      }
    },
  );

  (HAS_IPV6 ? it : it.skip)('may name an IPv6 address', async () => {
    const { status } = await verdictOf(at(`[::1]:${own.cluster.port}`));
    expect(status).toBe('ready');
    const dead = await verdictOf(at('[::1]:1'));
    expect(dead.checks.database?.details).toContain('connect ECONNREFUSED ::1:1');
  });

  it('may name an unknown host: the message names it', async () => {
    const unknownHost = await verdictOf(changedUrl(url, { hostname: 'no-such-host.invalid' }));
    expect(unknownHost.checks.database).toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      details: expect.stringMatching(/getaddrinfo (ENOTFOUND|EAI_AGAIN) no-such-host\.invalid/),
    });
  });
});
