import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PrismaClient, type Prisma } from '../../examples/clinic/generated/prisma/client.js';
import { createGuardedAdapter, pgkeepGuard } from '../../src/client.js';
import { InstallService } from '../../src/install/install.service.js';
import { withApp } from '../support/app.js';
import { createClinic, query } from '../support/clinic.js';
import { PgBouncer } from '../support/pgbouncer.js';
import { applyRules } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const connect = (url: string) =>
  new PrismaClient({ adapter: createGuardedAdapter({ url, poolSize: 8 }) }).$extends(
    pgkeepGuard<Prisma.ModelName>({ actor: () => 'nurse' }),
  );

describe('the guarded client through PgBouncer in transaction mode', () => {
  let own: ThrowAwayCluster;
  let bouncer: PgBouncer;
  let url: string;
  let prisma: ReturnType<typeof connect>;

  beforeAll(async () => {
    own = await startThrowAwayCluster({ tls: false });
    url = await createClinic(own, 'clinic', { seeded: true });
    await withApp(url, (app) => app.get(InstallService).install());
    await applyRules(url);
    bouncer = await PgBouncer.start(own, { pool_mode: 'transaction', default_pool_size: 2 });
    prisma = connect(bouncer.url('clinic'));
  });
  afterAll(async () => {
    await prisma?.$disconnect();
    await bouncer?.stop();
    await own.cluster.destroy();
  });

  it('keeps reasons and actions in their transactions, however sessions are shared', async () => {
    const corrections = Array.from({ length: 20 }, (_, index) => index + 1).map(async (id) =>
      id % 2 === 0
        ? await prisma.$withReason({ reason: `reason ${id}` }, (tx) =>
            tx.child.update({ where: { id }, data: { fullName: `Child ${id}` } }),
          )
        : await prisma.child.update({ where: { id }, data: { fullName: 'x' } }),
    );
    const outcomes = await Promise.allSettled(corrections);
    expect(outcomes.map(({ status }) => status)).toEqual(
      outcomes.map((_, index) => (index % 2 === 0 ? 'rejected' : 'fulfilled')),
    );
    const { rows } = await query(
      url,
      `SELECT count(*)::int AS n, bool_and(reason = 'reason ' || (key ->> 'id')) AS own FROM pgkeep.correction`,
    );
    expect(rows).toEqual([{ n: 10, own: true }]);
    // An erasure opens nothing for the session's next transaction.
    await prisma.softDelete.hardDelete('User', 753, 'dpo', 'letter');
    const deletes = Array.from(
      { length: 8 },
      async () => await prisma.$executeRaw`DELETE FROM users WHERE id = 1`,
    );
    for (const outcome of await Promise.allSettled(deletes)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'PK004' } });
    }
  });

  it('marks and restores exactly what one deletion marked, of many at the same time', async () => {
    const { rows } = await query(
      url,
      `SELECT u.id FROM users u JOIN parents p ON p.user_id = u.id
        WHERE u.deleted_at IS NULL AND p.deleted_at IS NULL ORDER BY u.id LIMIT 12`,
    );
    const ids = rows.map(({ id }) => Number(id));
    await Promise.all(ids.map((id) => prisma.softDelete.softDelete('User', id, 'dpo', 'letter')));
    expect(await prisma.user.count({ where: { id: { in: ids } } })).toBe(0);
    const receipts = await Promise.all(
      ids.map((id) => prisma.softDelete.restore('User', id, 'dpo', 'letter')),
    );
    expect(receipts.map(({ rows: counts }) => counts)).toEqual(ids.map(() => ({ User: 1, Parent: 1 })));
    expect(await prisma.user.count({ where: { id: { in: ids } } })).toBe(12);
  });
});
