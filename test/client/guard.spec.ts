import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GuardError, pgkeepGuard } from '../../src/client.js';
import type { Prisma, PrismaClient } from '../../examples/clinic/generated/prisma/client.js';
import { createClinic } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { bareClinic, type GuardedClinic } from './guarded-clinic.js';

let own: ThrowAwayCluster;
let url: string;
let bare: PrismaClient;
let prisma: GuardedClinic;

beforeAll(async () => {
  own = await startThrowAwayCluster({ tls: false });
  url = await createClinic(own, 'guarded', { seeded: true });
  bare = bareClinic(url);
  prisma = bare.$extends(pgkeepGuard<Prisma.ModelName>({ actor: () => 'nurse' }));
});

afterAll(async () => {
  await bare?.$disconnect();
  await own?.cluster.stop();
});

/** Returns what a refusal says. */
async function refusalOf(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof GuardError)) throw error;
    return { code: error.code, message: error.message, hint: error.hint };
  }
}

const MARK_INSTEAD =
  'Mark the row as deleted: prisma.softDelete.softDelete(model, id, by, reason), or set its deletedAt.';
const MIGRATE = 'Put the change into a migration, and run pgkeep migrate deploy.';
const GIVE_REASON =
  "Give the reason in the same transaction: prisma.$withReason({ reason, by }, (tx) => ...), or SELECT set_config('pgkeep.reason', 'why', true). At most 2000 characters.";

describe('which rows are visible', () => {
  it('is decided by a filter that mentions deletedAt at its own level', async () => {
    const all = { OR: [{ deletedAt: null }, { deletedAt: { not: null } }] };
    expect(await prisma.child.count()).toBe(998);
    expect(await prisma.child.count({ where: { deletedAt: { not: null } } })).toBe(2);
    expect(await prisma.child.count({ where: all })).toBe(1000);
    expect(await prisma.child.count({ where: { NOT: { deletedAt: null } } })).toBe(2);
    expect(await prisma.child.findUnique({ where: { id: 640 } })).toBeNull();
    const found = await prisma.child.findUnique({
      where: { id: 640, deletedAt: { not: null } },
      select: { id: true },
    });
    expect(found).toEqual({ id: 640 });
  });

  it.each([
    { deletedAt: undefined },
    { deletedAt: {} },
    { deletedAt: { not: undefined } },
    { AND: [{ deletedAt: {} }] },
  ])('is not decided by a condition that says nothing: %j', async (where) => {
    expect(await prisma.child.count({ where })).toBe(998);
  });

  it('is decided for nested rows by their own filter', async () => {
    const session = await bare.session.findFirstOrThrow({ where: { deletedAt: { not: null } } });
    const where = { id: session.childId };
    const hidden = { where: { deletedAt: { not: null } }, select: { id: true } };
    expect(await prisma.child.findUnique({ where, select: { sessions: hidden } })).toEqual({
      sessions: [{ id: session.id }],
    });
    expect(await prisma.child.count({ where: { ...where, sessions: { some: { id: session.id } } } })).toBe(0);
    expect(
      await prisma.child.count({
        where: { ...where, sessions: { some: { id: session.id, deletedAt: { not: null } } } },
      }),
    ).toBe(1);
  });

  it('never hides a required parent, whose children stay visible, too', async () => {
    // The seed marks parent 120, whose children stay.
    const children = await prisma.child.findMany({
      where: { parent: { id: 120 } },
      select: { parent: { select: { id: true } } },
    });
    expect(children.length).toBeGreaterThan(0);
    expect(children.every(({ parent }) => parent.id === 120)).toBe(true);
    expect(await prisma.parent.findUnique({ where: { id: 120 } })).toBeNull();
  });

  it('is the same for a filter that is an instance of a class', async () => {
    class Filter {
      constructor(readonly sessions: object) {}
    }
    const session = await bare.session.findFirstOrThrow({ where: { deletedAt: { not: null } } });
    const where = new Filter(
      new (class {
        some = { id: session.id };
      })(),
    );
    expect(await prisma.child.count({ where })).toBe(0);
    expect(await bare.child.count({ where })).toBe(1);
  });

  it('leaves the arguments as they were', async () => {
    const deepFreeze = <T>(value: T): T => {
      if (typeof value === 'object' && value !== null) {
        for (const part of Object.values(value)) deepFreeze(part);
        Object.freeze(value);
      }
      return value;
    };
    const args = deepFreeze({
      where: { AND: [{ sessions: { some: {} } }], parent: { is: { children: { some: {} } } } },
      include: { sessions: { where: { ageMonths: { gt: 3 } } }, _count: true },
      take: 1,
    } as const);
    const before = JSON.stringify(args);
    await prisma.child.findMany({ ...args, where: { ...args.where, AND: [...args.where.AND] } });
    expect(JSON.stringify(args)).toBe(before);
  });

  it('goes on behind a cursor whose row was deleted since', async () => {
    const page = async (id: number) =>
      (
        await prisma.child.findMany({
          cursor: { id },
          skip: 1,
          take: 2,
          orderBy: { id: 'asc' },
          select: { id: true },
        })
      ).map((row) => row.id);
    expect(await page(638)).toEqual([639, 641]);
    expect(await page(640)).toEqual([641, 642]);
    const [inBatch] = await prisma.$transaction([
      prisma.child.findMany({
        cursor: { id: 640 },
        skip: 1,
        take: 1,
        orderBy: { id: 'asc' },
        select: { id: true },
      }),
    ]);
    expect(inBatch).toEqual([{ id: 641 }]);
    const { childId, id } = await bare.session.findFirstOrThrow({ where: { deletedAt: { not: null } } });
    const later = {
      where: { childId, id: { gt: id }, deletedAt: null },
      orderBy: { id: 'asc' },
      take: 1,
    } as const;
    const sessions = { cursor: { id }, skip: 1, take: 1, orderBy: { id: 'asc' } } as const;
    expect(await prisma.child.findUnique({ where: { id: childId }, select: { sessions } })).toEqual({
      sessions: await bare.session.findMany(later),
    });
  });
});

describe('a delete', () => {
  const now = (text: string) => expect(new Date(text).getTime()).toBeGreaterThan(Date.now() - 60_000);

  it('marks the row, with who did it', async () => {
    const deleted = await prisma.posyandu.delete({
      where: { id: 36 },
      select: { id: true, deletedBy: true },
    });
    expect(deleted).toEqual({ id: 36, deletedBy: 'nurse' });
    expect(await prisma.posyandu.findUnique({ where: { id: 36 } })).toBeNull();
    const row = await bare.posyandu.findUniqueOrThrow({ where: { id: 36 } });
    now(String(row.deletedAt?.toISOString()));
    await expect(prisma.posyandu.delete({ where: { id: 36 } })).rejects.toMatchObject({ code: 'P2025' });
  });

  it('of many rows marks the visible ones', async () => {
    await bare.user.update({ where: { id: 5 }, data: { deletedAt: new Date(0) } });
    expect(await prisma.user.deleteMany({ where: { id: { in: [4, 5] } } })).toEqual({ count: 1 });
    expect(await bare.user.findUniqueOrThrow({ where: { id: 5 } })).toMatchObject({
      deletedAt: new Date(0),
      deletedBy: null,
    });
    expect(await prisma.user.deleteMany({ where: { id: 4 } })).toEqual({ count: 0 });
  });

  it('marks what its foreign keys would cascade to, with the same time', async () => {
    const made = async (name: string) =>
      await bare.user.create({
        data: {
          email: `${name}@cascade.example`,
          passwordHash: '!',
          fullName: name,
          phone: '1',
          role: 'PARENT',
          parent: { create: { villageId: 1, nationalId: name, address: 'x', birthDate: new Date(0) } },
        },
      });
    const users = await Promise.all(['1', '2', '3', '4', '5', '6'].map(async (name) => await made(name)));
    const [one, two, three, four, five, six] = users.map(({ id }) => id);
    const marked = async () => {
      const rows = await bare.user.findMany({
        where: { email: { endsWith: '@cascade.example' } },
        orderBy: { fullName: 'asc' },
        include: { parent: true },
      });
      return rows
        .map(({ fullName, deletedAt, parent }) =>
          deletedAt === null && parent?.deletedAt === null
            ? ''
            : `${fullName} ${String(parent?.deletedAt?.getTime() === deletedAt?.getTime())}`,
        )
        .filter(Boolean);
    };
    const deleted = await prisma.user.delete({
      where: { email: '1@cascade.example', deletedAt: null },
      select: { id: true, parent: { select: { nationalId: true } } },
    });
    // As a real delete, it answers with what was there.
    expect(deleted).toEqual({ id: one, parent: { nationalId: '1' } });
    expect(
      await prisma.user.deleteMany({ where: { id: { in: [two ?? 0, three ?? 0] }, fullName: '2' } }),
    ).toEqual({ count: 1 });
    const [count, inBatch, after] = await prisma.$transaction([
      prisma.user.count({ where: { id: four } }),
      prisma.user.delete({ where: { id: four } }),
      prisma.parent.count({ where: { userId: four } }),
    ]);
    expect([count, inBatch.id, after]).toEqual([1, four, 0]);
    await prisma.$transaction(async (tx) => {
      await tx.user.delete({ where: { id: five } });
      expect(await tx.parent.count({ where: { userId: five } })).toBe(0);
    });
    const rolledBack = prisma.$transaction(async (tx) => {
      await tx.user.delete({ where: { id: six } });
      throw new Error('mine');
    });
    await expect(rolledBack).rejects.toThrow('mine');
    await expect(prisma.user.delete({ where: { id: six, fullName: 'other' } })).rejects.toMatchObject({
      code: 'P2025',
    });
    expect(await marked()).toEqual(['1 true', '2 true', '4 true', '5 true']);
    expect(() => prisma.user.deleteMany({ limit: 1 })).toThrow(
      'pgkeep: deleteMany of User with a limit is refused: its foreign keys cascade to other rows',
    );
  });

  it('in another row’s write marks as well, and leaves the rest of the write alone', async () => {
    const { id } = await bare.user.create({
      data: {
        email: 'a@x.example',
        passwordHash: '!',
        fullName: 'A',
        phone: '1',
        role: 'PARENT',
        parent: { create: { villageId: 1, nationalId: '77', address: 'x', birthDate: new Date(0) } },
      },
    });
    const changed = await prisma.user.update({
      where: { id },
      data: { fullName: 'B', parent: { delete: true } },
      select: { fullName: true, parent: true },
    });
    expect(changed).toEqual({ fullName: 'B', parent: null });
    expect((await bare.parent.findUniqueOrThrow({ where: { userId: id } })).deletedBy).toBe('nurse');
    await prisma.posyandu.update({ where: { id: 2 }, data: { staff: { deleteMany: { id: { gt: 0 } } } } });
    const marked = await bare.user.findMany({ where: { posyanduId: 2 }, select: { deletedBy: true } });
    expect(marked.length).toBeGreaterThan(0);
    expect(new Set(marked.map(({ deletedBy }) => deletedBy))).toEqual(new Set(['nurse']));
  });

  it.each([
    ['children', 'its rows are never deleted', MARK_INSTEAD, () => prisma.child.delete({ where: { id: 1 } })],
    ['sessions', 'its rows are never deleted', MARK_INSTEAD, () => prisma.session.deleteMany()],
    ['session_quiz_steps', 'it is append-only', MIGRATE, () => prisma.sessionQuizStep.deleteMany({})],
    ['districts', 'it is read-only', MIGRATE, () => prisma.district.delete({ where: { id: 1 } })],
    [
      'sessions',
      'its rows are never deleted',
      MARK_INSTEAD,
      () => prisma.posyandu.update({ where: { id: 1 }, data: { sessions: { deleteMany: {} } } }),
    ],
    [
      'session_quiz_steps',
      'it is append-only',
      MIGRATE,
      () => prisma.session.update({ where: { id: 1 }, data: { steps: { delete: { id: 1 } } } }),
    ],
  ])('of %s is refused: %s', async (table, why, hint, work) => {
    expect(await refusalOf(work())).toEqual({
      code: 'PK004',
      message: `pgkeep: DELETE of public.${table} is refused: ${why}`,
      hint,
    });
  });

  it('that is refused in a batch leaves nothing of the batch', async () => {
    const before = await bare.user.findUniqueOrThrow({ where: { id: 3 } });
    const batch = prisma.$transaction([
      prisma.user.update({ where: { id: 3 }, data: { fullName: 'changed' } }),
      prisma.child.delete({ where: { id: 1 } }),
    ]);
    expect(await refusalOf(batch)).toMatchObject({ code: 'PK004' });
    expect(await bare.user.findUniqueOrThrow({ where: { id: 3 } })).toEqual(before);
  });
});

describe('an update', () => {
  const NEEDS_REASON = {
    code: 'PK005',
    message: 'pgkeep: UPDATE of public.children is refused: a correction needs a reason',
    hint: GIVE_REASON,
  };
  const where = { id: 1 };
  const data = { fullName: 'Sari' };
  const child = {
    childUuid: 'u',
    parentId: 1,
    registeredById: 1,
    posyanduId: 1,
    fullName: 'x',
    sex: 'MALE',
    birthDate: new Date(0),
    birthWeightKg: 3,
    birthLengthCm: 50,
  } as const;

  it.each([
    ['update', () => prisma.child.update({ where, data })],
    ['updateMany', () => prisma.child.updateMany({ where, data })],
    ['updateManyAndReturn', () => prisma.child.updateManyAndReturn({ where, data })],
    ['upsert', () => prisma.child.upsert({ where, create: child, update: data })],
    [
      'nested update',
      () => prisma.parent.update({ where, data: { children: { updateMany: { where: {}, data } } } }),
    ],
    [
      'nested update of a required parent',
      () => prisma.session.update({ where, data: { child: { update: data } } }),
    ],
    ['another owner', () => prisma.child.update({ where, data: { parent: { connect: { id: 2 } } } })],
    [
      'another owner, from the owner’s side',
      () => prisma.parent.update({ where, data: { children: { connect: { id: 9 } } } }),
    ],
    ['another owner, by its key', () => prisma.child.update({ where, data: { parentId: 2 } })],
  ])('of a record that takes corrections needs a reason: %s', async (_, work) => {
    expect(await refusalOf(work())).toEqual(NEEDS_REASON);
  });

  it.each([
    ['nothing', () => prisma.child.update({ where, data: { fullName: undefined } })],
    [
      'the mark',
      () => prisma.child.update({ where: { id: 2 }, data: { deletedAt: new Date(), deletedBy: 'x' } }),
    ],
    [
      'rows that belong to it',
      () =>
        prisma.child.update({
          where,
          data: { sessions: { updateMany: { where: {}, data: { diagnosis: 'x' } } } },
        }),
    ],
    [
      'a row it belongs to',
      () => prisma.child.update({ where, data: { parent: { update: { address: 'x' } } } }),
    ],
  ])('that changes %s needs none', async (_, work) => {
    expect(await work()).toMatchObject({ id: expect.any(Number) });
  });

  it('of records that never change is refused', async () => {
    expect(await refusalOf(prisma.sessionQuizStep.update({ where, data: { answer: 'x' } }))).toEqual({
      code: 'PK004',
      message: 'pgkeep: UPDATE of public.session_quiz_steps is refused: it is append-only',
      hint: MIGRATE,
    });
    expect(await refusalOf(prisma.whoGrowthStandard.updateMany({ data: { median: 1 } }))).toEqual({
      code: 'PK004',
      message: 'pgkeep: UPDATE of public.who_growth_standards is refused: it is read-only',
      hint: MIGRATE,
    });
  });

  it('with a reason passes, and states it in the transaction', async () => {
    const stated = `SELECT current_setting('pgkeep.reason', true) AS reason, current_setting('pgkeep.actor', true) AS actor`;
    const settings = await prisma.$withReason({ reason: 'name misspelled', by: 17 }, async (tx) => {
      await tx.child.update({ where, data });
      return await tx.$queryRawUnsafe(stated);
    });
    expect(settings).toEqual([{ reason: 'name misspelled', actor: '17' }]);
    expect((await bare.child.findUniqueOrThrow({ where })).fullName).toBe('Sari');
    expect(await refusalOf(prisma.child.update({ where, data }))).toEqual(NEEDS_REASON);
  });

  it('has the reason of its part of a transaction only', async () => {
    const stated = async (tx: { $queryRawUnsafe(sql: string): Promise<unknown> }) =>
      await tx.$queryRawUnsafe(`SELECT current_setting('pgkeep.reason', true) AS reason`);
    const seen: unknown[] = [];
    await prisma.$transaction(async (tx) => {
      await prisma.$withReason({ reason: 'outer' }, async (outer) => {
        await outer.child.update({ where, data: { fullName: 'Outer' } });
        await prisma.$withReason({ reason: 'inner' }, async (inner) => {
          seen.push(await stated(inner));
        });
        seen.push(await stated(outer));
      });
      seen.push(await stated(tx), await refusalOf(tx.child.update({ where, data })));
      await prisma
        .$withReason({ reason: 'fails' }, () => Promise.reject(new Error('mine')))
        .catch(() => undefined);
      seen.push(await stated(tx));
      // Another transaction, on its own connection.
      await prisma.$withReason({ reason: 'outer' }, async () => {
        seen.push(
          await prisma.$transaction(
            async (other) => await refusalOf(other.child.update({ where: { id: 3 }, data })),
          ),
        );
      });
    });
    expect(seen).toEqual([
      [{ reason: 'inner' }],
      [{ reason: 'outer' }],
      [{ reason: '' }],
      NEEDS_REASON,
      [{ reason: '' }],
      NEEDS_REASON,
    ]);
  });

  it.each([
    ['', 'it is empty'],
    ['  ', 'it is empty'],
    ['a\0b', 'it contains a NUL character'],
    ['x'.repeat(2001), 'it has more than 2000 characters'],
  ])('is refused with a reason that is none', async (reason, why) => {
    expect(
      await refusalOf(prisma.$withReason({ reason }, (tx) => tx.child.update({ where, data }))),
    ).toMatchObject({
      code: 'USAGE_INVALID',
      message: `pgkeep: the reason of a correction is refused: ${why}`,
    });
  });
});

describe('a transaction', () => {
  it('that is rolled back takes its marks with it', async () => {
    const rolledBack = prisma.$transaction(async (tx) => {
      await tx.user.delete({ where: { id: 6 } });
      expect(await tx.user.findUnique({ where: { id: 6 } })).toBeNull();
      // Another connection does not see it.
      expect(await prisma.user.count({ where: { id: 6 } })).toBe(1);
      throw new Error('mine');
    });
    await expect(rolledBack).rejects.toThrow('mine');
    expect(await prisma.user.count({ where: { id: 6 } })).toBe(1);
  });

  it('in a transaction is a part of it, which can be rolled back alone', async () => {
    await prisma.$transaction(async (tx) => {
      await tx.user.delete({ where: { id: 7 } });
      const part = tx.$transaction(async (inner) => {
        await inner.user.delete({ where: { id: 8 } });
        throw new Error('mine');
      });
      await expect(part).rejects.toThrow('mine');
    });
    expect(await prisma.user.findMany({ where: { id: { in: [7, 8] } }, select: { id: true } })).toEqual([
      { id: 8 },
    ]);
  });

  it('as a batch marks and reads in its order', async () => {
    const [before, deleted, after] = await prisma.$transaction([
      prisma.user.count({ where: { id: 9 } }),
      prisma.user.delete({ where: { id: 9 } }),
      prisma.user.count({ where: { id: 9 } }),
    ]);
    expect([before, deleted.deletedBy, after]).toEqual([1, 'nurse', 0]);
    const failing = prisma.$transaction([
      prisma.user.delete({ where: { id: 10 } }),
      prisma.user.delete({ where: { id: 9 } }),
    ]);
    await expect(failing).rejects.toMatchObject({ code: 'P2025' });
    expect(await prisma.user.count({ where: { id: 10 } })).toBe(1);
  });
});

describe('other extensions', () => {
  it('see what the guard does, before it and behind it', async () => {
    const seen: string[] = [];
    const around = bare
      .$extends({
        result: { user: { label: { needs: { fullName: true }, compute: (user) => `<${user.fullName}>` } } },
      })
      .$extends(pgkeepGuard())
      .$extends({
        model: {
          user: {
            async first() {
              return 1;
            },
          },
        },
        query: {
          user: {
            async $allOperations({ operation, args, query }) {
              seen.push(operation);
              return await query(args);
            },
          },
        },
      });
    await around.$transaction(async (tx) => {
      await tx.user.delete({ where: { id: 11 } });
    });
    const rows = await around.user.findMany({
      where: { id: { in: [11, 12] } },
      select: { id: true, label: true },
    });
    expect(rows.map(({ id, label }) => [id, label])).toEqual([[12, expect.stringMatching(/^<.+>$/)]]);
    expect(await around.user.first()).toBe(1);
    expect(seen).toEqual(['update', 'findMany']);
  });

  it('may be the guard itself, a second time', async () => {
    const twice = prisma.$extends(pgkeepGuard());
    expect(
      await twice.child.count({
        where: { sessions: { every: { deletedAt: null } }, parent: { is: { user: { posyandu: null } } } },
      }),
    ).toBe(
      await prisma.child.count({
        where: { sessions: { every: { deletedAt: null } }, parent: { is: { user: { posyandu: null } } } },
      }),
    );
    expect(await twice.user.findMany({ where: { posyandu: null, parent: { isNot: null } } })).toEqual(
      await prisma.user.findMany({ where: { posyandu: null, parent: { isNot: null } } }),
    );
    await twice.$transaction(async (tx) => {
      await tx.user.delete({ where: { id: 13 } });
    });
    expect(await prisma.user.count({ where: { id: 13 } })).toBe(0);
    expect(await refusalOf(twice.child.delete({ where: { id: 1 } }))).toMatchObject({ code: 'PK004' });
  });

  it('need a client that carries its schema, or the schema', () => {
    expect(() => pgkeepGuard()({})).toThrow('This Prisma client does not carry its schema.');
    expect(() => pgkeepGuard({ schema: 'model A { id Int @id }' })({})).toThrow(
      'This is not a Prisma client.',
    );
  });
});

describe('a unique value of a soft-deleted row', () => {
  const person = (email: string) =>
    ({ email, passwordHash: '!', fullName: 'x', phone: '1', role: 'PARENT' }) as const;

  it('stays taken, and the error says by what and until when', async () => {
    await bare.user.update({
      where: { id: 24 },
      data: { email: 'gone@x.example', deletedAt: new Date('2026-10-01T10:00:00Z') },
    });
    const error = await prisma.user
      .create({ data: person('gone@x.example') })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'PrismaClientKnownRequestError', code: 'P2002' });
    expect(String(error).split('\n').at(-1)).toBe(
      "User.email: a User that was soft-deleted on 2026-10-01 has this value, and is kept until 2026-10-31. To get that row back: prisma.softDelete.restore('User', 24). To erase it now: prisma.softDelete.hardDelete('User', 24).",
    );
    const upserted = await prisma.user
      .upsert({ where: { email: 'gone@x.example' }, create: person('gone@x.example'), update: {} })
      .catch(String);
    expect(upserted).toContain("prisma.softDelete.restore('User', 24)");
  });

  it('is explained for a row of a nested write, and for a key of two fields', async () => {
    await bare.posyandu.update({ where: { id: 3 }, data: { deletedAt: new Date('2026-10-01T10:00:00Z') } });
    const { villageId, name } = await bare.posyandu.findUniqueOrThrow({ where: { id: 3 } });
    const post = { villageId, name, address: 'x', openedOn: new Date(0) };
    const where = { villageId_name: { villageId, name } };
    const text =
      'Posyandu.villageId, Posyandu.name: a Posyandu that was soft-deleted on 2026-10-01 has this value';
    const nested = prisma.user.update({
      where: { id: 1 },
      data: { posyandu: { connectOrCreate: { where, create: post } } },
    });
    expect(await nested.catch(String)).toContain(text);
    expect(await prisma.posyandu.createMany({ data: [post] }).catch(String)).toContain(text);
    const inside = prisma.$transaction(async (tx) => await tx.posyandu.create({ data: post }));
    expect(await inside.catch(String)).toContain(
      'A soft-deleted Posyandu may have this value. To see it: where: { deletedAt: { not: null } }.',
    );
  });

  it('is not mentioned where a visible row has the value', async () => {
    const { email } = await bare.user.findUniqueOrThrow({ where: { id: 1 } });
    expect(await prisma.user.create({ data: person(email) }).catch(String)).not.toContain('soft-deleted');
  });
});

it('upserts as reliably as Prisma’s own, although it reads first', async () => {
  const errors: string[] = [];
  for (let round = 0; round < 10; round += 1) {
    const email = `race${round}@x.example`;
    const data = { email, passwordHash: '!', fullName: 'x', phone: '1', role: 'PARENT' } as const;
    const upserts = Array.from({ length: 4 }, () =>
      prisma.user
        .upsert({ where: { email }, create: data, update: { fullName: 'y' } })
        .catch((error: unknown) => errors.push(String(error))),
    );
    await Promise.all(upserts);
    expect(await prisma.user.count({ where: { email } })).toBe(1);
  }
  expect(errors).toEqual([]);
});
