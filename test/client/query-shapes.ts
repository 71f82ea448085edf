import type { ClinicTransaction } from './guarded-clinic.js';

/** Rows that a shape needs, made or found in its transaction. */
export interface ShapeRows {
  /** A visible session of child 11, and one that is marked. */
  readonly live11: number;
  readonly gone11: number;
  /** A session of child 12 without steps. */
  readonly fresh: number;
  /** A user whose parent profile has no children. */
  readonly lonelyUser: number;
}

/** A query, and what it is called. */
export interface QueryShape {
  readonly name: string;
  readonly isWrite: boolean;
  readonly run: (client: ClinicTransaction, rows: ShapeRows) => Promise<unknown>;
}

function read(name: string, run: QueryShape['run']): QueryShape {
  return { name, isWrite: false, run };
}

function write(name: string, run: QueryShape['run']): QueryShape {
  return { name, isWrite: true, run };
}

function person(email: string) {
  const constant = { passwordHash: '!', phone: '1', role: 'PARENT', status: 'ACTIVE' } as const;
  return { email, fullName: email, ...constant };
}

function session(childId: number) {
  const examinedAt = new Date('2026-10-01');
  return { childId, examinerId: 3, posyanduId: 1, examinedAt, ageMonths: 5, weightKg: 5, heightCm: 60 };
}

/** Every shape of a query that Prisma has, against the clinic. */
export const QUERY_SHAPES: readonly QueryShape[] = [
  // root reads
  read('findMany', (p) => p.session.findMany({ where: { childId: { lte: 45 } }, orderBy: { id: 'asc' } })),
  read('findMany no args', (p) => p.child.findMany({ orderBy: { id: 'asc' }, select: { id: true } })),
  read('findMany where AND/OR/NOT', (p) =>
    p.session.findMany({
      where: {
        AND: [{ childId: { gte: 8 } }, { OR: [{ childId: { lt: 22 } }, { id: 5 }] }],
        NOT: { posyanduId: 7 },
      },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('findFirst', (p) => p.session.findFirst({ where: { childId: 40 } })),
  read('findFirst ordered', (p) =>
    p.session.findFirst({
      where: { childId: { in: [11, 40] } },
      orderBy: { id: 'desc' },
      select: { id: true },
    }),
  ),
  read('findFirstOrThrow deleted', (p) => p.child.findFirstOrThrow({ where: { id: 31 } })),
  read('findUnique live', (p) =>
    p.child.findUnique({ where: { id: 29 }, select: { id: true, fullName: true } }),
  ),
  read('findUnique deleted', (p) => p.child.findUnique({ where: { id: 31 } })),
  read('findUnique by other unique, deleted', (p) =>
    p.user.findUnique({ where: { id: 24 }, select: { email: true } }),
  ),
  read('findUnique compound', (p) =>
    p.posyandu.findUnique({ where: { villageId_name: { villageId: 1, name: 'Closed' } } }),
  ),
  read('findUnique + extra where', (p) =>
    p.child.findUnique({ where: { id: 31, sex: { in: ['MALE', 'FEMALE'] } }, select: { id: true } }),
  ),
  read('findUniqueOrThrow deleted', (p) => p.child.findUniqueOrThrow({ where: { id: 31 } })),
  read('findUnique batched', (p) =>
    Promise.all([29, 31, 33, 35].map((id) => p.child.findUnique({ where: { id }, select: { id: true } }))),
  ),
  read('count', (p) => p.session.count()),
  read('count where', (p) => p.session.count({ where: { childId: { lte: 40 } } })),
  read('count select', (p) => p.session.count({ select: { _all: true, diagnosis: true } })),
  read('aggregate', (p) =>
    p.session.aggregate({ _avg: { ageMonths: true }, _count: true, _max: { id: true } }),
  ),
  read('groupBy', (p) =>
    p.session.groupBy({
      by: ['childId'],
      where: { childId: { lte: 45 } },
      _count: { _all: true },
      orderBy: { childId: 'asc' },
    }),
  ),
  read('groupBy having', (p) =>
    p.session.groupBy({
      by: ['childId'],
      _count: { _all: true },
      having: { childId: { _count: { gt: 6 } } },
      orderBy: { childId: 'asc' },
    }),
  ),
  read('distinct', (p) =>
    p.session.findMany({
      distinct: ['childId'],
      where: { childId: { lte: 45 } },
      orderBy: { id: 'asc' },
      select: { id: true, childId: true },
    }),
  ),
  read('take/skip', (p) =>
    p.session.findMany({
      where: { childId: { gte: 10, lte: 20 } },
      orderBy: { id: 'asc' },
      skip: 3,
      take: 5,
      select: { id: true },
    }),
  ),
  read('cursor on a live row', (p) =>
    p.session.findMany({
      where: { childId: { gte: 10 } },
      orderBy: { id: 'asc' },
      cursor: { id: 50 },
      take: 6,
      select: { id: true },
    }),
  ),
  read('select of the mark', (p) =>
    p.child.findMany({ where: { id: { in: [29, 31] } }, select: { id: true, deletedAt: true } }),
  ),
  read('omit', (p) => p.child.findMany({ where: { id: { in: [29, 31] } }, omit: { fullName: true } })),
  // nested reads
  read('include list', (p) =>
    p.child.findMany({
      where: { id: { lte: 45 } },
      orderBy: { id: 'asc' },
      include: { sessions: { orderBy: { id: 'asc' } } },
    }),
  ),
  read('include list: true', (p) => p.child.findUnique({ where: { id: 40 }, include: { sessions: true } })),
  read('include list with where', (p) =>
    p.child.findMany({
      where: { id: { gte: 10, lte: 20 } },
      orderBy: { id: 'asc' },
      include: { sessions: { where: { ageMonths: { gt: 2 } }, orderBy: { id: 'asc' }, take: 2 } },
    }),
  ),
  read('include three deep', (p) =>
    p.parent.findMany({
      where: { id: { lte: 60 } },
      orderBy: { id: 'asc' },
      include: {
        children: {
          orderBy: { id: 'asc' },
          include: { sessions: { orderBy: { id: 'asc' }, include: { steps: { orderBy: { id: 'asc' } } } } },
        },
      },
    }),
  ),
  read('select list', (p) =>
    p.child.findMany({
      where: { id: { lte: 45 } },
      orderBy: { id: 'asc' },
      select: { id: true, sessions: { select: { id: true }, orderBy: { id: 'asc' } } },
    }),
  ),
  read('select within include', (p) =>
    p.parent.findMany({
      where: { id: { lte: 60 } },
      orderBy: { id: 'asc' },
      include: {
        children: {
          orderBy: { id: 'asc' },
          select: { id: true, sessions: { select: { id: true }, orderBy: { id: 'asc' } } },
        },
      },
    }),
  ),
  read('include optional to-one (key side)', (p) =>
    p.user.findMany({
      where: { id: { in: [1, 901, 902] } },
      orderBy: { id: 'asc' },
      include: { posyandu: true },
    }),
  ),
  read('select optional to-one', (p) =>
    p.user.findMany({
      where: { id: { in: [1, 901, 902] } },
      orderBy: { id: 'asc' },
      select: { id: true, posyandu: { select: { name: true } } },
    }),
  ),
  read('include optional to-one (other side)', (p) =>
    p.user.findMany({
      where: { id: { gte: 60, lte: 80 } },
      orderBy: { id: 'asc' },
      include: { parent: { include: { children: { orderBy: { id: 'asc' } } } } },
    }),
  ),
  read('list through a model without the mark', (p) =>
    p.village.findMany({
      orderBy: { id: 'asc' },
      include: { posyandus: { orderBy: { id: 'asc' } }, _count: true },
    }),
  ),
  read('_count select', (p) =>
    p.child.findMany({
      where: { id: { lte: 45 } },
      orderBy: { id: 'asc' },
      select: { id: true, _count: { select: { sessions: true } } },
    }),
  ),
  read('_count: true', (p) =>
    p.user.findMany({ where: { id: { lte: 20 } }, orderBy: { id: 'asc' }, include: { _count: true } }),
  ),
  read('_count with where', (p) =>
    p.child.findMany({
      where: { id: { lte: 45 } },
      orderBy: { id: 'asc' },
      select: { _count: { select: { sessions: { where: { ageMonths: { gt: 3 } } } } } },
    }),
  ),
  read('fluent', (p) => p.child.findUnique({ where: { id: 40 } }).sessions()),
  read('fluent twice', (p) =>
    p.parent
      .findUnique({ where: { id: 20 } })
      .user()
      .posyandu(),
  ),
  read('order by relation count', (p) =>
    p.child.findMany({
      where: { id: { lte: 45 } },
      orderBy: [{ sessions: { _count: 'desc' } }, { id: 'asc' }],
      select: { id: true },
    }),
  ),
  read('order by optional to-one field', (p) =>
    p.user.findMany({
      where: { id: { in: [1, 2, 901] } },
      orderBy: [{ posyandu: { name: 'asc' } }, { id: 'asc' }],
      select: { id: true },
    }),
  ),
  // relation filters
  read('some {}', (p) =>
    p.child.findMany({
      where: { id: { lte: 45 }, sessions: { some: {} } },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('some x', (p) =>
    p.child.findMany({
      where: { sessions: { some: { ageMonths: { gt: 40 } } } },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('none {}', (p) =>
    p.child.findMany({
      where: { id: { lte: 45 }, sessions: { none: {} } },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('every x', (p) =>
    p.child.findMany({
      where: { id: { lte: 45 }, sessions: { every: { ageMonths: { lt: 10 } } } },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('NOT some', (p) =>
    p.child.findMany({
      where: { id: { lte: 45 }, NOT: { sessions: { some: {} } } },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('nested some some', (p) =>
    p.parent.findMany({
      where: { children: { some: { sessions: { some: { ageMonths: { lt: 3 } } } } } },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('some none', (p) =>
    p.parent.findMany({
      where: { id: { lte: 100 }, children: { some: { sessions: { none: {} } } } },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('optional to-one: null', (p) =>
    p.user.findMany({
      where: { id: { gte: 30 }, posyandu: null, role: 'POSYANDU' },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('optional to-one: is x', (p) =>
    p.user.findMany({ where: { posyandu: { is: { name: 'Closed' } } }, select: { id: true } }),
  ),
  read('optional to-one: short x', (p) =>
    p.user.findMany({
      where: { posyandu: { name: { not: 'zzz' } } },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('optional to-one: isNot null', (p) =>
    p.user.findMany({ where: { posyandu: { isNot: null } }, orderBy: { id: 'asc' }, select: { id: true } }),
  ),
  read('optional to-one: isNot x', (p) =>
    p.user.findMany({
      where: { id: { gte: 895 }, posyandu: { isNot: { name: 'Closed' } } },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('other side: is null', (p) =>
    p.user.findMany({ where: { parent: { is: null } }, orderBy: { id: 'asc' }, select: { id: true } }),
  ),
  read('required to-one filter', (p) =>
    p.session.findMany({
      where: { child: { fullName: { startsWith: 'A' } } },
      orderBy: { id: 'asc' },
      select: { id: true },
    }),
  ),
  read('count with relation filter', (p) =>
    p.child.count({ where: { sessions: { some: { ageMonths: { lt: 3 } } } } }),
  ),
  // writes
  write('update deleted', (p) => p.child.update({ where: { id: 31 }, data: { fullName: 'x' } })),
  write('update live, returning list', (p) =>
    p.child.update({
      where: { id: 11 },
      data: { fullName: 'x' },
      include: { sessions: { orderBy: { id: 'asc' } } },
    }),
  ),
  write('updateMany', (p) =>
    p.session.updateMany({ where: { childId: { gte: 10, lte: 20 } }, data: { diagnosis: 'x' } }),
  ),
  write('updateManyAndReturn', (p) =>
    p.session.updateManyAndReturn({
      where: { childId: { gte: 10, lte: 20 } },
      data: { diagnosis: 'x' },
      select: { id: true },
    }),
  ),
  write('updateMany by relation', (p) =>
    p.child.updateMany({ where: { sessions: { none: {} }, id: { lte: 45 } }, data: { fullName: 'x' } }),
  ),
  write('delete live', (p, { fresh }) => p.session.delete({ where: { id: fresh } })),
  write('delete deleted', (p) => p.child.delete({ where: { id: 31 } })),
  write('deleteMany', (p) =>
    p.session.deleteMany({ where: { childId: { gte: 10, lte: 20 }, steps: { none: {} } } }),
  ),
  write('upsert new', (p) =>
    p.user.upsert({
      where: { email: 'n@x.example' },
      create: person('n@x.example'),
      update: { fullName: 'u' },
      select: { email: true, fullName: true },
    }),
  ),
  write('upsert live', (p) =>
    p.user.upsert({
      where: { email: 'staff1@closed.example' },
      create: person('staff1@closed.example'),
      update: { fullName: 'u' },
      select: { email: true, fullName: true },
    }),
  ),
  write('create returning', (p) =>
    p.session.create({
      data: session(40),
      include: {
        child: {
          include: { sessions: { orderBy: { id: 'asc' }, select: { childId: true, ageMonths: true } } },
        },
      },
    }),
  ),
  write('createMany', (p) => p.session.createMany({ data: [session(40), session(41)] })),
  write('nested create', (p) =>
    p.user.create({
      data: {
        ...person('m@x.example'),
        parent: {
          create: { villageId: 1, nationalId: '99', birthDate: new Date('1990-01-01'), address: 'x' },
        },
      },
      select: { email: true, parent: { select: { nationalId: true } } },
    }),
  ),
  write('connect live', (p) =>
    p.user.update({
      where: { id: 901 },
      data: { posyandu: { connect: { id: 1 } } },
      select: { posyandu: { select: { id: true } } },
    }),
  ),
  write('connect deleted', (p) =>
    p.user.update({ where: { id: 1 }, data: { posyandu: { connect: { id: 900 } } }, select: { id: true } }),
  ),
  write('connectOrCreate live', (p) =>
    p.user.update({
      where: { id: 1 },
      data: {
        posyandu: {
          connectOrCreate: {
            where: { villageId_name: { villageId: 1, name: 'zzz' } },
            create: { villageId: 1, name: 'zzz', address: 'x', openedOn: new Date('2026-01-01') },
          },
        },
      },
      select: { posyandu: { select: { name: true } } },
    }),
  ),
  write('disconnect', (p) =>
    p.user.update({
      where: { id: 901 },
      data: { posyandu: { disconnect: true } },
      select: { posyandu: true },
    }),
  ),
  write('nested update in list, live', (p, { live11 }) =>
    p.child.update({
      where: { id: 11 },
      data: { sessions: { update: { where: { id: live11 }, data: { diagnosis: 'y' } } } },
      select: { id: true },
    }),
  ),
  write('nested update in list, deleted', (p, { gone11 }) =>
    p.child.update({
      where: { id: 11 },
      data: { sessions: { update: { where: { id: gone11 }, data: { diagnosis: 'y' } } } },
      select: { id: true },
    }),
  ),
  write('nested updateMany', (p) =>
    p.child.update({
      where: { id: 11 },
      data: { sessions: { updateMany: { where: {}, data: { diagnosis: 'y' } } } },
      select: { id: true },
    }),
  ),
  write('nested delete in list', (p, { fresh }) =>
    p.posyandu.update({
      where: { id: 1 },
      data: { sessions: { delete: { id: fresh } } },
      select: { id: true },
    }),
  ),
  write('nested deleteMany', (p, { fresh }) =>
    p.child.update({
      where: { id: 12 },
      data: { sessions: { deleteMany: { id: fresh } } },
      select: { id: true, sessions: { select: { id: true }, orderBy: { id: 'asc' } } },
    }),
  ),
  write('nested to-one delete', (p, { lonelyUser }) =>
    p.user.update({
      where: { id: lonelyUser },
      data: { parent: { delete: true } },
      select: { parent: true },
    }),
  ),
  write('nested to-one update', (p, { lonelyUser }) =>
    p.user.update({
      where: { id: lonelyUser },
      data: { parent: { update: { address: 'q' } } },
      select: { parent: { select: { address: true } } },
    }),
  ),
  write('nested upsert to-one', (p, { lonelyUser }) =>
    p.user.update({
      where: { id: lonelyUser },
      data: {
        parent: {
          upsert: {
            create: { villageId: 1, nationalId: '98', birthDate: new Date('1990-01-01'), address: 'x' },
            update: { address: 'w' },
          },
        },
      },
      select: { parent: { select: { address: true } } },
    }),
  ),
  write('set', (p) =>
    p.posyandu.update({
      where: { id: 1 },
      data: { staff: { set: [{ id: 901 }] } },
      select: { staff: { select: { id: true } } },
    }),
  ),
];
