import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClinic } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { guardedClinic, type GuardedClinic } from './guarded-clinic.js';

// What matters here is that it compiles: `npm run typecheck`.
describe('the types of a guarded client', () => {
  let own: ThrowAwayCluster;
  let prisma: GuardedClinic;

  beforeAll(async () => {
    own = await startThrowAwayCluster({ tls: false });
    prisma = guardedClinic(await createClinic(own, 'typed', { seeded: true }));
  });

  afterAll(async () => {
    await prisma?.$disconnect();
    await own?.cluster.stop();
  });

  it('follow select and include', async () => {
    const user = await prisma.user.delete({
      where: { id: 100 },
      select: { id: true, parent: { select: { address: true } } },
    });
    const address: string | undefined = user.parent?.address;
    // @ts-expect-error it was not selected
    const email: unknown = user.email;
    const child = await prisma.child.findFirstOrThrow({
      include: { parent: true, sessions: { include: { steps: true } } },
    });
    const village: number = child.parent.villageId;
    const steps: number[] = child.sessions.flatMap((session) => session.steps.map((step) => step.id));
    expect([typeof address, email, typeof village, steps.length > 0]).toEqual([
      'string',
      undefined,
      'number',
      true,
    ]);
    // @ts-expect-error there is no such field
    await expect(prisma.child.findMany({ where: { fulName: 'x' } })).rejects.toThrow('fulName');
  });

  it('follow into a transaction, and out of it', async () => {
    const [count, marked] = await prisma.$transaction([
      prisma.user.count(),
      prisma.user.deleteMany({ where: { id: 1 } }),
    ]);
    const total: number = count + marked.count;
    const name: string = await prisma.$transaction(async (tx) => {
      const { fullName } = await tx.child.findFirstOrThrow({ select: { fullName: true } });
      return fullName;
    });
    expect([typeof total, typeof name]).toEqual(['number', 'string']);
  });

  it('follow into the work that has a reason, and out of it', async () => {
    const child = await prisma.$withReason({ reason: 'name misspelled', by: 7 }, (tx) =>
      tx.child.update({ where: { id: 1 }, data: { fullName: 'Sari' }, select: { fullName: true } }),
    );
    const name: string = child.fullName;
    // @ts-expect-error it was not selected
    const id: unknown = child.id;
    expect([name, id]).toEqual(['Sari', undefined]);
  });
});
