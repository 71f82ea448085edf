import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PrismaClient } from '../../examples/clinic/generated/prisma/client.js';
import {
  createGuardedAdapter,
  replicaAdapter,
  type GuardedPoolOptions,
} from '../../src/client/guarded-adapter.js';
import { readClientSettings } from '../../src/config/client-settings.js';
import { freePort } from '../../src/cluster/postmaster.js';
import { messageOf } from '../../src/core/errors.js';
import { createClinic, query } from '../support/clinic.js';
import { PgBouncer } from '../support/pgbouncer.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

let own: ThrowAwayCluster;
let url: string;

beforeAll(async () => {
  own = await startThrowAwayCluster();
  url = await createClinic(own, 'clinic', { seeded: true });
});

afterAll(() => own.cluster.destroy());

function connect(options: GuardedPoolOptions = {}) {
  const adapter = createGuardedAdapter({ environment: {}, url, retryPauseMs: 20, ...options });
  return { adapter, prisma: new PrismaClient({ adapter }) };
}

describe('createGuardedAdapter', () => {
  it('makes $connect() check the connection, and a query after a failure try again', async () => {
    const port = await freePort();
    const { prisma } = connect({ url: `postgresql://postgres@127.0.0.1:${port}/clinic` });
    const message = `Cannot connect to 127.0.0.1:${port}/clinic: connect ECONNREFUSED 127.0.0.1:${port}`;
    const code = 'DATABASE_UNREACHABLE';
    await expect(prisma.$connect()).rejects.toMatchObject({ code, message });
    // Prisma puts the place of the call before it.
    await expect(prisma.district.count()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  it('gives Prisma a pool by the settings, and the schema of the URL', async () => {
    const { adapter, prisma } = connect({ environment: { DB_POOL_MAX: '3' } });
    await prisma.$connect();
    expect(await prisma.district.count()).toBe(6);
    expect(adapter.pool?.options.max).toBe(3);
    const elsewhere = connect({ url: `${url}?schema=elsewhere` });
    await expect(elsewhere.prisma.district.count()).rejects.toMatchObject({
      code: 'P2021',
      message: expect.stringContaining('The table `elsewhere.districts` does not exist'),
    });
    await Promise.all([prisma.$disconnect(), elsewhere.prisma.$disconnect()]);
  });

  it('finishes running queries on $disconnect(), rolls open transactions back, and can connect again', async () => {
    const { adapter, prisma } = connect();
    await prisma.$connect();
    const first = adapter.pool;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = prisma.$queryRaw`SELECT 1 AS one FROM pg_sleep(0.3)`.then((rows) => rows);
    const transaction = prisma
      .$transaction(async (tx) => {
        await tx.district.update({ where: { id: 1 }, data: { name: 'changed' } });
        await held;
      })
      .catch((error: unknown) => messageOf(error));
    await until(async () => {
      const { rows } = await query(url, `SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'`);
      return rows.length === 1;
    });
    await prisma.$disconnect();
    expect(await running).toEqual([{ one: 1 }]);
    expect(first?.totalCount).toBe(0);
    expect(await prisma.district.count({ where: { name: 'changed' } })).toBe(0);
    expect(adapter.pool).not.toBe(first);
    release();
    expect(await transaction).toContain('was obtained before disconnecting');
    await prisma.$disconnect();
  });

  it('keeps the sessions of a replica read-only, also where the server is one that takes writes', async () => {
    const settings = readClientSettings({ url }, {});
    const prisma = new PrismaClient({ adapter: replicaAdapter(settings.pooledUrl, settings, {}) });
    await expect(prisma.posyandu.updateMany({ data: { address: 'x' } })).rejects.toThrow(
      'cannot execute UPDATE in a read-only transaction',
    );
    await prisma.$disconnect();
  });

  it('works through PgBouncer in transaction mode, transactions included', async () => {
    const bouncer = await PgBouncer.start(own, { pool_mode: 'transaction', default_pool_size: 2 });
    const { prisma } = connect({ url: bouncer.url('clinic') });
    try {
      const counts = await Promise.all(
        Array.from({ length: 20 }, () =>
          prisma.$transaction(async (tx) => {
            const village = await tx.village.findFirstOrThrow({ include: { district: true } });
            return await tx.village.count({ where: { districtId: village.districtId } });
          }),
        ),
      );
      expect(new Set(counts)).toEqual(new Set([4]));
    } finally {
      await prisma.$disconnect();
      await bouncer.stop();
    }
  });
});
