import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PrismaClient } from '../../examples/clinic/generated/prisma/client.js';
import {
  createGuardedAdapter,
  pgkeepGuard,
  pgkeepReplica,
  type GuardedAdapter,
  type ReplicaState,
} from '../../src/client.js';
import type { Cluster } from '../../src/cluster/cluster.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { REPLICATION_HBA, startStandby } from '../support/standby.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const MAX_LAG_SECONDS = 2;
/** The address of posyandu 1 in the primary, and in a replica that does not replay. */
const OLD = 'Old Street 1';
const NEW = 'New Street 2';

let own: ThrowAwayCluster;
let standby: Cluster;
let url: string;

beforeAll(async () => {
  own = await startThrowAwayCluster({ hba: REPLICATION_HBA });
  url = await createClinic(own, 'clinic', { seeded: true });
  standby = await startStandby(own);
});

afterAll(async () => {
  await standby.destroy();
  await own.cluster.destroy();
});

interface More {
  readonly replicaUrl?: string | undefined;
  readonly queryTimeoutMs?: number;
}

function open({ replicaUrl = standby.url('clinic'), queryTimeoutMs }: More = {}) {
  const common = { environment: {}, retryPauseMs: 20, closeTimeoutMs: 100, queryTimeoutMs };
  const changes: ReplicaState[] = [];
  const connect = (adapter: GuardedAdapter) => new PrismaClient({ adapter }).$extends(pgkeepGuard());
  const prisma = connect(createGuardedAdapter({ ...common, url })).$extends(
    pgkeepReplica({
      ...common,
      connect,
      url: replicaUrl === '' ? undefined : replicaUrl,
      primaryUrl: url,
      maxLagSeconds: MAX_LAG_SECONDS,
      checkEveryMs: 100,
      checkTimeoutMs: 1000,
      onChange: (state) => changes.push(state),
    }),
  );
  return { prisma, changes };
}

type Opened = ReturnType<typeof open>;
type Client = Opened['prisma'];

/** Where a read runs: only the replica is in recovery. */
async function place(prisma: Client): Promise<string> {
  const [row] = await prisma.$replica().$queryRaw<
    { recovery: boolean }[]
  >`SELECT pg_is_in_recovery() AS recovery`;
  return row?.recovery === true ? 'replica' : 'primary';
}

async function used(prisma: Client, wanted: 'replica' | 'primary'): Promise<void> {
  await until(async () => (await place(prisma)) === wanted, 30_000, `reads on the ${wanted}`);
}

const addressOn = async (prisma: Client): Promise<string | undefined> =>
  (await prisma.$replica().posyandu.findUnique({ where: { id: 1 } }))?.address;

/** Why reads went to the primary, but for a measurement of the lag that a busy machine delayed. */
function faultsOf(changes: readonly ReplicaState[]): string[] {
  return changes.flatMap(({ reason }) => (reason?.startsWith('its lag') === false ? [reason] : []));
}

describe('$replica()', () => {
  let opened: Opened;
  let prisma: Client;

  beforeEach(async () => {
    await query(url, `UPDATE posyandus SET address = $1 WHERE id = 1`, [OLD]);
    opened = open();
    ({ prisma } = opened);
    await used(prisma, 'replica');
    await until(async () => (await addressOn(prisma)) === OLD);
  });

  afterEach(() => prisma.$disconnect());

  it('reads from the replica, in every way of reading', async () => {
    const replica = prisma.$replica();
    expect(await replica.district.count()).toBe(6);
    expect((await replica.village.findMany({ include: { district: true } })).length).toBe(24);
    expect(await replica.village.findUniqueOrThrow({ where: { id: 1 } }).district()).toMatchObject({ id: 1 });
    expect(await replica.user.groupBy({ by: ['role'], _count: true })).toHaveLength(4);
    await until(async () => {
      const [row] = await replica.$queryRawUnsafe<{ yes: boolean }[]>('SELECT pg_is_in_recovery() AS yes');
      return row?.yes === true;
    });
    expect(await prisma.$queryRaw`SELECT pg_is_in_recovery() AS yes`).toEqual([{ yes: false }]);
    await until(async () => (await prisma.$replicaState()).isUsable);
  });

  it('hides rows that are marked as deleted, as the primary does', async () => {
    const hidden = await prisma.user.count({ where: { deletedAt: { not: null } } });
    expect(hidden).toBeGreaterThan(0);
    expect(await prisma.$replica().user.count()).toBe(await prisma.user.count());
    expect(await prisma.$replica().user.count({ where: { deletedAt: { not: null } } })).toBe(hidden);
    expect(await prisma.$replica().user.findUnique({ where: { id: 24 } })).toBeNull();
  });

  it('does not write: by type, and when it runs', async () => {
    const replica = prisma.$replica();
    const refusal = (name: string) => ({
      code: 'REPLICA_READ_ONLY',
      message: `Refused ${name} on $replica(): it is for reads outside of transactions. Nothing was changed.`,
      hint: 'Call it on the client itself.',
    });
    const data = { name: NEW };
    // @ts-expect-error There is no such method.
    await expect(replica.district.update({ where: { id: 1 }, data })).rejects.toMatchObject(
      refusal('district.update'),
    );
    // @ts-expect-error There is no such method.
    await expect(replica.user.delete({ where: { id: 1 } })).rejects.toMatchObject(refusal('user.delete'));
    // @ts-expect-error There is no such method.
    await expect(replica.$executeRaw`DELETE FROM districts`).rejects.toMatchObject(refusal('$executeRaw'));
    // @ts-expect-error There is no such method.
    await expect(replica.$transaction([])).rejects.toMatchObject(refusal('$transaction'));
    // @ts-expect-error There is no such method.
    await expect(replica.$extends({})).rejects.toMatchObject(refusal('$extends'));
    const returning = `UPDATE posyandus SET address = 'x' RETURNING id`;
    await expect(replica.$queryRawUnsafe(returning)).rejects.toThrow('read-only transaction');
    await expect(prisma.$transaction([prisma.$replica().district.count()])).rejects.toThrow(
      'All elements of the array need to be Prisma Client promises',
    );
    expect((await prisma.posyandu.findUniqueOrThrow({ where: { id: 1 } })).address).toBe(OLD);
  });

  it('refuses a write in SQL on the primary too, where a read falls back to it', async () => {
    const without = open({ replicaUrl: '' });
    try {
      expect(await place(without.prisma)).toBe('primary');
      const returning = `UPDATE posyandus SET address = 'x' RETURNING id`;
      await expect(without.prisma.$replica().$queryRawUnsafe(returning)).rejects.toThrow(
        'read-only transaction',
      );
      expect(await without.prisma.$replicaState()).toEqual({
        isUsable: false,
        lagMs: undefined,
        reason: 'DATABASE_READ_REPLICA_URL is not set',
      });
    } finally {
      await without.prisma.$disconnect();
    }
  });

  it('reads in a transaction from that transaction', async () => {
    await prisma.$transaction(async (tx) => {
      await tx.posyandu.update({ where: { id: 1 }, data: { address: NEW } });
      expect(await addressOn(prisma)).toBe(NEW);
      expect((await tx.$replica().posyandu.findUniqueOrThrow({ where: { id: 1 } })).address).toBe(NEW);
      expect(await place(prisma)).toBe('primary');
      await expect(
        prisma.$replica().$queryRaw`UPDATE posyandus SET address = 'x' RETURNING id`,
      ).rejects.toThrow('read-only transaction');
      await tx.posyandu.update({ where: { id: 1 }, data: { address: 'And again' } });
    });
    expect((await prisma.posyandu.findUniqueOrThrow({ where: { id: 1 } })).address).toBe('And again');
  });

  it('does not count an idle primary as lag, nor a switch of the WAL file', async () => {
    await query(url, 'SELECT pg_switch_wal()');
    await used(prisma, 'replica');
    const started = performance.now();
    await until(() => performance.now() - started > MAX_LAG_SECONDS * 1500);
    expect(await place(prisma)).toBe('replica');
    expect((await prisma.$replicaState()).lagMs).toBeLessThan(MAX_LAG_SECONDS * 1000);
  });

  it('falls back to the primary while the replica does not replay, and returns when it has caught up', async () => {
    await query(standby.url('postgres'), 'SELECT pg_wal_replay_pause()');
    try {
      await query(url, 'UPDATE posyandus SET address = $1 WHERE id = 1', [NEW]);
      expect(await addressOn(prisma)).toBe(OLD);
      await used(prisma, 'primary');
      expect(await addressOn(prisma)).toBe(NEW);
      const state = await prisma.$replicaState();
      expect(state.reason).toMatch(/^it is \d\.\d s behind, more than 2\.0 s$/);
      expect(state.lagMs).toBeGreaterThan(MAX_LAG_SECONDS * 1000);
    } finally {
      await query(standby.url('postgres'), 'SELECT pg_wal_replay_resume()');
    }
    await used(prisma, 'replica');
    expect(await addressOn(prisma)).toBe(NEW);
    expect(opened.changes.map(({ isUsable }) => isUsable).slice(-2)).toEqual([false, true]);
  });

  it('falls back where the replica has lost its primary, though it has replayed all that it received', async () => {
    const conninfo = `SELECT setting FROM pg_settings WHERE name = 'primary_conninfo'`;
    const { rows } = await query(standby.url('postgres'), conninfo);
    const setConninfo = async (text: string) => {
      await query(
        standby.url('postgres'),
        `ALTER SYSTEM SET primary_conninfo = '${text.replaceAll("'", "''")}'`,
      );
      await query(standby.url('postgres'), 'SELECT pg_reload_conf()');
    };
    await setConninfo('host=127.0.0.1 port=1');
    try {
      await until(async () => {
        const receivers = await query(standby.url('postgres'), 'SELECT 1 FROM pg_stat_wal_receiver');
        return receivers.rows.length === 0;
      });
      await query(url, 'UPDATE posyandus SET address = $1 WHERE id = 1', [NEW]);
      await used(prisma, 'primary');
      expect(await addressOn(prisma)).toBe(NEW);
    } finally {
      await setConninfo(String(rows[0]?.setting));
    }
    await used(prisma, 'replica');
  });

  it('falls back while the replica is down, and returns', async () => {
    await standby.stop();
    try {
      const counts = await Promise.all(Array.from({ length: 20 }, () => prisma.$replica().district.count()));
      expect(counts).toEqual(Array.from({ length: 20 }, () => 6));
      // The first check may still read the goodbye of the server.
      await until(
        async () =>
          (await prisma.$replicaState()).reason ===
          `it cannot be used: connect ECONNREFUSED 127.0.0.1:${standby.port}`,
      );
    } finally {
      await standby.startServer();
    }
    await used(prisma, 'replica');
  });

  it('does not wait for a replica that hangs: reads that run there are repeated on the primary', async () => {
    const processes = await query(
      standby.url('postgres'),
      `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pgkeep %'`,
    );
    const pids = [standby.postmasterPid, ...processes.rows.map(({ pid }) => Number(pid))];
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      const started = performance.now();
      expect(await prisma.$replica().district.count()).toBe(6);
      expect(performance.now() - started).toBeLessThan(5000);
      // The next ones do not try.
      const next = performance.now();
      expect(await prisma.$replica().district.count()).toBe(6);
      expect(performance.now() - next).toBeLessThan(1000);
      expect((await prisma.$replicaState()).reason).toBe('it cannot be used: no answer within 1000 ms');
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await used(prisma, 'replica');
  });

  it('lets a long read on a healthy replica finish', async () => {
    const slow = prisma.$replica().$queryRaw`SELECT pg_is_in_recovery() AS recovery FROM pg_sleep(1.5)`;
    expect(await slow).toEqual([{ recovery: true }]);
  });

  it('repeats on the primary a read whose table is not replayed yet', async () => {
    await query(standby.url('postgres'), 'SELECT pg_wal_replay_pause()');
    try {
      await query(url, 'CREATE TABLE later AS SELECT 1 AS one');
      expect(await prisma.$replica().$queryRaw`SELECT one FROM later`).toEqual([{ one: 1 }]);
    } finally {
      await query(standby.url('postgres'), 'SELECT pg_wal_replay_resume()');
      await query(url, 'DROP TABLE later');
    }
  });

  it('repeats on the primary a read that the replica cancels because of a conflict with recovery', async () => {
    const setDelay = async (delay: string) => {
      await query(standby.url('postgres'), `ALTER SYSTEM SET max_standby_streaming_delay = '${delay}'`);
      await query(standby.url('postgres'), 'SELECT pg_reload_conf()');
    };
    await setDelay('0');
    try {
      const reading = prisma.$replica().$queryRaw`
        SELECT pg_is_in_recovery() AS recovery
          FROM pg_sleep(CASE WHEN pg_is_in_recovery() THEN 60 ELSE 0 END)`.then((rows) => rows);
      const active = `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(CASE%' AND pid <> pg_backend_pid()`;
      await until(async () => (await query(standby.url('postgres'), active)).rows.length === 1);
      await query(url, 'UPDATE posyandus SET updated_at = now()');
      await query(url, 'VACUUM posyandus');
      expect(await reading).toEqual([{ recovery: false }]);
    } finally {
      await setDelay('30s');
    }
  });

  it('does not repeat a read that is too slow', async () => {
    const slow = open({ queryTimeoutMs: 400 });
    try {
      await used(slow.prisma, 'replica');
      await expect(slow.prisma.$replica().$queryRaw`SELECT 1 FROM pg_sleep(30)`).rejects.toThrow(
        'canceling statement due to statement timeout',
      );
      expect(faultsOf(slow.changes)).toEqual([]);
    } finally {
      await slow.prisma.$disconnect();
    }
  });

  it('reports an error of the read itself, without a second try', async () => {
    await expect(prisma.$replica().user.findUniqueOrThrow({ where: { id: 0 } })).rejects.toMatchObject({
      code: 'P2025',
    });
    await expect(prisma.$replica().$queryRaw`SELECT 1 / 0`).rejects.toThrow('division by zero');
    expect(faultsOf(opened.changes)).toEqual([]);
  });
});

describe('a replica that is none', () => {
  it('is another database, the primary itself, or unreachable: reads go to the primary', async () => {
    await createDatabase(own, 'other');
    await until(async () => {
      const { rows } = await query(
        standby.url('postgres'),
        `SELECT 1 FROM pg_database WHERE datname = 'other'`,
      );
      return rows.length === 1;
    });
    const reasonOf = async (replicaUrl: string): Promise<string | undefined> => {
      const { prisma } = open({ replicaUrl });
      try {
        expect(await place(prisma)).toBe('primary');
        return (await prisma.$replicaState()).reason;
      } finally {
        await prisma.$disconnect();
      }
    };
    expect(await reasonOf(standby.url('other'))).toBe('it is a replica of another database');
    expect(await reasonOf(url)).toBe('it is not a replica: it was promoted, or is another server');
    expect(await reasonOf('postgresql://127.0.0.1:1/clinic')).toBe(
      'it cannot be used: connect ECONNREFUSED 127.0.0.1:1',
    );
  });

  it('was promoted while in use', async () => {
    const promoted = await startStandby(own);
    const { prisma } = open({ replicaUrl: promoted.url('clinic') });
    try {
      await used(prisma, 'replica');
      await query(promoted.url('postgres'), 'SELECT pg_promote()');
      await until(async () => !(await prisma.$replicaState()).isUsable);
      expect((await prisma.$replicaState()).reason).toBe(
        'it is not a replica: it was promoted, or is another server',
      );
    } finally {
      await prisma.$disconnect();
      await promoted.destroy();
    }
  });

  it('needs a client to extend', () => {
    const extension = pgkeepReplica({ environment: {}, primaryUrl: url, connect: () => ({}) });
    expect(() => extension({})).toThrow('This is not a Prisma client.');
  });
});
