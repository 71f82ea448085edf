import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PrismaClient } from '../../examples/clinic/generated/prisma/client.js';
import { propertyOf } from '../../src/core/errors.js';
import { InstallService } from '../../src/install/install.service.js';
import { withApp } from '../support/app.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { applyRules, CLINIC_SCHEMA } from '../support/policy.js';
import { changedUrl } from '../support/guarded-database.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { bareClinic, guardedClinic, type GuardedClinic } from './guarded-clinic.js';

let own: ThrowAwayCluster;
/** The superuser's: it sees every row, and the ledger. */
let url: string;
let bare: PrismaClient;
/** The application's, whose role owns nothing. */
let prisma: GuardedClinic;

beforeAll(async () => {
  own = await startThrowAwayCluster({ tls: false });
  url = await createClinic(own, 'clinic', { seeded: true });
  await withApp(url, (app) => app.get(InstallService).install());
  await applyRules(url);
  await query(
    url,
    `CREATE ROLE clinic_app LOGIN PASSWORD 'app'; GRANT USAGE ON SCHEMA public TO clinic_app;
     GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clinic_app;
     GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO clinic_app`,
  );
  bare = bareClinic(url);
  prisma = guardedClinic(changedUrl(url, { username: 'clinic_app', password: 'app' }));
});

afterAll(async () => {
  await prisma?.$disconnect();
  await bare?.$disconnect();
  await own?.cluster.stop();
});

/** Returns what an error says. */
async function errorOf(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    return ['code', 'message', 'hint'].map((name) => propertyOf(error, name));
  }
}

/** Makes a user with a profile, and returns her id. */
async function newUser(name: string): Promise<number> {
  const parent = { villageId: 1, nationalId: name.padStart(16, '0'), address: 'x', birthDate: new Date(0) };
  const { id } = await bare.user.create({
    data: {
      email: `${name}@x.example`,
      passwordHash: '!',
      fullName: name,
      phone: '1',
      role: 'PARENT',
      parent: { create: parent },
    },
  });
  return id;
}

async function ledgerOf(action: string): Promise<unknown[]> {
  const { rows } = await query(
    url,
    `SELECT a.action, a.actor, a.reason, a.role, r.table_name || ' ' || r.what AS what, count(*)::int AS rows
       FROM pgkeep.privacy_action a LEFT JOIN pgkeep.privacy_row r ON r.action_id = a.id WHERE a.id = $1
      GROUP BY 1, 2, 3, 4, 5 ORDER BY 5`,
    [action],
  );
  return rows;
}

describe('prisma.softDelete', () => {
  it('softDelete marks a user and her profile, and restore brings back both', async () => {
    const id = await newUser('marked');
    const receipt = await prisma.softDelete.softDelete('User', id, 'user-7', 'User requested deletion');
    expect(receipt).toEqual({
      action: expect.any(String),
      model: 'User',
      id,
      rows: { User: 1, Parent: 1 },
      retained: [],
    });
    expect(await prisma.user.findUnique({ where: { id } })).toBeNull();
    expect(await prisma.parent.findUnique({ where: { userId: id } })).toBeNull();
    const user = await bare.user.findUniqueOrThrow({ where: { id }, include: { parent: true } });
    expect(user).toMatchObject({
      deletedBy: 'user-7',
      parent: { deletedBy: 'user-7', deletedAt: user.deletedAt },
    });
    const entry = {
      action: 'soft-delete',
      actor: 'user-7',
      reason: 'User requested deletion',
      role: 'clinic_app',
      rows: 1,
    };
    expect(await ledgerOf(receipt.action)).toEqual([
      { ...entry, what: 'public.parents marked' },
      { ...entry, what: 'public.users marked' },
    ]);
    const restored = await prisma.softDelete.restore('User', id);
    expect(restored.rows).toEqual({ User: 1, Parent: 1 });
    expect(await prisma.user.findUnique({ where: { id }, include: { parent: true } })).toMatchObject({
      deletedAt: null,
      deletedBy: null,
      parent: { deletedAt: null, deletedBy: null },
    });
  });

  it('restore leaves what was deleted before as it was', async () => {
    const id = await newUser('apart');
    const { id: parent } = await bare.parent.findUniqueOrThrow({ where: { userId: id } });
    await prisma.softDelete.softDelete('Parent', parent);
    expect((await prisma.softDelete.softDelete('User', id)).rows).toEqual({ User: 1 });
    expect((await prisma.softDelete.restore('User', id)).rows).toEqual({ User: 1 });
    expect(await prisma.parent.findUnique({ where: { id: parent } })).toBeNull();
  });

  it('restore brings back exactly what its deletion marked, of two deletions in one transaction', async () => {
    const id = await newUser('two deletions');
    const { id: profile } = await bare.parent.findUniqueOrThrow({ where: { userId: id } });
    await prisma.$transaction(async (tx) => {
      await tx.softDelete.softDelete('Parent', profile, 'user-7', 'the profile only');
      await tx.softDelete.softDelete('User', id, 'user-7', 'the user');
    });
    const marks = async () => {
      const { deletedAt, parent } = await bare.user.findUniqueOrThrow({
        where: { id },
        include: { parent: true },
      });
      return [deletedAt, parent?.deletedAt ?? null];
    };
    const [user, parent] = await marks();
    expect(user).toEqual(parent);
    expect((await prisma.softDelete.restore('User', id)).rows).toEqual({ User: 1 });
    expect(await marks()).toEqual([null, parent]);
    expect((await prisma.softDelete.restore('Parent', profile)).rows).toEqual({ Parent: 1 });
    expect(await marks()).toEqual([null, null]);

    // Plain deletes know no action: of one client, no two have the same time.
    await prisma.$transaction([
      prisma.parent.delete({ where: { id: profile } }),
      prisma.user.delete({ where: { id } }),
    ]);
    await prisma.softDelete.restore('User', id);
    expect(await marks()).toEqual([null, expect.any(Date)]);
  });

  it('restore brings back what a plain delete marked', async () => {
    const id = await newUser('plain');
    await prisma.user.delete({ where: { id } });
    expect((await prisma.softDelete.restore('User', id)).rows).toEqual({ User: 1, Parent: 1 });
    expect(await prisma.user.count({ where: { id } })).toBe(1);
  });

  it('hardDelete erases a user and her profile, with a line for each in the ledger', async () => {
    const id = await newUser('erased');
    const receipt = await prisma.softDelete.hardDelete('User', id, 'dpo', 'letter of 12 May');
    expect(receipt.rows).toEqual({ User: 1, Parent: 1 });
    expect(await bare.user.count({ where: { id } })).toBe(0);
    const entry = {
      action: 'hard-delete',
      actor: 'dpo',
      reason: 'letter of 12 May',
      role: 'clinic_app',
      rows: 1,
    };
    expect(await ledgerOf(receipt.action)).toEqual([
      { ...entry, what: 'public.parents deleted' },
      { ...entry, what: 'public.users deleted' },
    ]);
  });

  it('hardDelete lets no other statement of the transaction delete', async () => {
    const [first, second] = [await newUser('one'), await newUser('two')];
    const work = prisma.$transaction(async (tx) => {
      await tx.softDelete.hardDelete('User', first);
      await tx.$executeRawUnsafe('DELETE FROM users WHERE id = $1', second);
    });
    expect(await errorOf(work)).toEqual([
      'PK004',
      'pgkeep: DELETE of public.users is refused: its rows leave by soft delete',
      'Mark the row as deleted: prisma.softDelete.softDelete(model, id, by, reason), or set its deletedAt.',
    ]);
    expect(await bare.user.count({ where: { id: { in: [first, second] } } })).toBe(2);
  });

  it('hardDelete is refused where rows that stay refer to what would go', async () => {
    const child = await bare.child.findFirstOrThrow({
      where: { deletedAt: null },
      include: { parent: true },
    });
    const { userId } = child.parent;
    const children = await bare.child.count({ where: { parentId: child.parentId } });
    expect(await errorOf(prisma.softDelete.hardDelete('User', userId))).toEqual([
      'PRIVACY_REFUSED',
      `Refused to erase User ${userId}: ${children === 1 ? '1 child refers' : `${children} children refer`} to its parent ${child.parentId}, and ${children === 1 ? 'stays' : 'stay'} (medical record: kept 25 years). Nothing was changed.`,
      'Anonymize it instead: prisma.softDelete.anonymizeUser(…).',
    ]);
  });

  it('hardDelete is refused for rows that are never deleted', async () => {
    expect(await errorOf(prisma.softDelete.hardDelete('Child', 1))).toEqual([
      'PK004',
      'pgkeep: DELETE of public.children is refused: its rows are never deleted',
      'Mark the row as deleted: prisma.softDelete.softDelete(model, id, by, reason), or set its deletedAt.',
    ]);
    expect((await prisma.softDelete.softDelete('Child', 1, 'nurse', 'entered twice')).rows).toEqual({
      Child: 1,
    });
  });

  it('hardDelete and anonymizeUser are refused while a legal hold lasts', async () => {
    const id = await newUser('held');
    const { id: parent } = await bare.parent.findUniqueOrThrow({ where: { userId: id } });
    await query(
      url,
      `INSERT INTO pgkeep.legal_hold (table_name, key, because, held_by) VALUES ('public.parents', jsonb_build_object('id', $1::int), 'case 12', 'dpo')`,
      [parent],
    );
    const hint = 'Release it first: pgkeep privacy release MODEL ID --by WHO --because TEXT.';
    expect(await errorOf(prisma.softDelete.hardDelete('User', id))).toEqual([
      'PK006',
      'pgkeep: DELETE of public.parents is refused: a legal hold keeps the row',
      hint,
    ]);
    expect(await errorOf(prisma.softDelete.anonymizeUser(id))).toEqual([
      'PK006',
      'pgkeep: UPDATE of public.parents is refused: a legal hold keeps the row',
      hint,
    ]);
  });

  it('exportUserData returns everything of a person, deleted rows too, and no secret', async () => {
    const child = await bare.child.findFirstOrThrow({
      where: { deletedAt: null, sessions: { some: { steps: { some: {} } } } },
      include: { parent: true },
    });
    const { userId } = child.parent;
    const { data, ...rest } = await prisma.softDelete.exportUserData(userId);
    expect(Object.keys(data)).toEqual(['User', 'Parent', 'Child', 'Session', 'SessionQuizStep']);
    expect(data['User']).toEqual([expect.objectContaining({ id: userId, email: expect.any(String) })]);
    expect(JSON.stringify(data)).not.toContain('passwordHash');
    const where = { child: { parentId: child.parentId } };
    expect(data['Session']).toHaveLength(await bare.session.count({ where }));
    expect(rest).toMatchObject({
      format: 'pgkeep-subject-export/1',
      subject: { model: 'User', id: userId },
      exportedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      madeBySubject: { 'Child.registeredBy': 0, 'Session.examiner': 0 },
      omitted: ['User.passwordHash'],
    });
    expect(rest.retained[0]).toEqual({
      model: 'Child',
      rows: data['Child']?.length,
      because: 'medical record: kept 25 years',
    });
  });

  it('anonymizeUser replaces what is personal, and keeps the row', async () => {
    const id = await newUser('anonymous');
    const receipt = await prisma.softDelete.anonymizeUser(id, 'dpo', 'letter');
    expect(receipt.rows).toEqual({ User: 1, Parent: 1 });
    const user = await bare.user.findUniqueOrThrow({ where: { id }, include: { parent: true } });
    expect(JSON.stringify(user)).not.toContain('anonymous');
    expect(user.email).toMatch(/@erased\.invalid$/);
  });

  it('joins the transaction that is open, also when it is called on the outer client', async () => {
    const [first, second] = [await newUser('join1'), await newUser('join2')];
    const work = prisma.$transaction(async (tx) => {
      await tx.softDelete.softDelete('User', first);
      await prisma.softDelete.softDelete('User', second);
      expect(await tx.user.count({ where: { id: { in: [first, second] } } })).toBe(0);
      throw new Error('mine');
    });
    await expect(work).rejects.toThrow('mine');
    expect(await prisma.user.count({ where: { id: { in: [first, second] } } })).toBe(2);
  });

  it('runs alone when what a transaction started outlives it', async () => {
    const id = await newUser('later');
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const later = await prisma.$transaction((tx) => {
      const work = ended.then(async () => await prisma.softDelete.softDelete('User', id));
      return tx.user.count().then(() => [work] as const);
    });
    end();
    expect(await later[0]).toMatchObject({ rows: { User: 1, Parent: 1 } });
  });

  it('is done once of two requests at the same time', async () => {
    const id = await newUser('twice');
    const both = await Promise.all([1, 2].map(() => errorOf(prisma.softDelete.softDelete('User', id))));
    expect(both).toContainEqual(expect.objectContaining({ rows: { User: 1, Parent: 1 } }));
    expect(both).toContainEqual([
      'PRIVACY_REFUSED',
      `Refused to soft-delete User ${id}: it is marked as deleted already. Nothing was changed.`,
      'Nothing is left to do.',
    ]);
  });

  it.each([
    [9_999_999, ''],
    [-1, ''],
    ["1'; DROP TABLE users; --", /^: invalid input syntax for type integer: "1'; DROP/],
    [1e20, /^: .*integer/],
    ['', /^: invalid input syntax for type integer: ""/],
  ])('finds no user %s', async (id, why) => {
    const [code, message] = [await errorOf(prisma.softDelete.softDelete('User', id))].flat();
    expect(code).toBe('RECORD_NOT_FOUND');
    expect(message).toMatch(/^User .* was not found.*\. Nothing was changed\.$/);
    expect(
      String(message)
        .replace(/^User .* was not found/, '')
        .replace(/\. Nothing was changed\.$/, ''),
    ).toMatch(why);
  });

  it('refuses models and reasons that do not fit', async () => {
    // @ts-expect-error there is no such model
    expect(await errorOf(prisma.softDelete.softDelete('Userr', 1))).toEqual([
      'USAGE_INVALID',
      'The Prisma schema has no model "Userr".',
      'Did you mean User?',
    ]);
    expect(await errorOf(prisma.softDelete.softDelete('District', 1))).toEqual([
      'USAGE_INVALID',
      'Cannot soft-delete a District: it has no field deletedAt.',
      'Models that have it: Posyandu, User, Parent, Child, Session.',
    ]);
    expect(await errorOf(prisma.softDelete.restore('User', 1))).toEqual([
      'PRIVACY_REFUSED',
      'Refused to restore User 1: it is not marked as deleted. Nothing was changed.',
      'Nothing is left to do.',
    ]);
    expect(await errorOf(prisma.softDelete.softDelete('User', undefined))).toEqual([
      'USAGE_INVALID',
      'The key of User is id, and was not given.',
      'Pass its value.',
    ]);
    const id = await newUser('reason');
    const hint = 'Pass who does it and why as short texts.';
    expect(await errorOf(prisma.softDelete.softDelete('User', id, 'x', 'y'.repeat(10_000)))).toEqual([
      'USAGE_INVALID',
      `Cannot soft-delete User ${id}: pgkeep: soft-delete is refused: who did it may have 200 characters, and the reason 2000. Nothing was changed.`,
      hint,
    ]);
    expect(await errorOf(prisma.softDelete.softDelete('User', id, 'x', 'a\0b'))).toEqual([
      'USAGE_INVALID',
      `Cannot soft-delete User ${id}: invalid byte sequence for encoding "UTF8": 0x00. Nothing was changed.`,
      hint,
    ]);
    expect(await prisma.user.count({ where: { id } })).toBe(1);
  });

  it('does nothing without the rules in the database', async () => {
    const other = await createDatabase(own, 'without', 'template_clinic_seeded');
    const without = guardedClinic(other);
    try {
      expect(await errorOf(without.softDelete.softDelete('User', 1))).toEqual([
        'NOT_INSTALLED',
        'Cannot soft-delete User 1: schema "pgkeep_policy" does not exist. Nothing was changed.',
        'Run `npx pgkeep install`, then `npx pgkeep policy apply`.',
      ]);
      expect(await without.user.count({ where: { id: 1 } })).toBe(1);
    } finally {
      await without.$disconnect();
    }
  });
});

describe('a refusal of the database', () => {
  it('reads as the client’s own', async () => {
    // A client that knows no rules sends what the guard would refuse.
    const schema = readFileSync(CLINIC_SCHEMA, 'utf8').replaceAll('@pgkeep.', '');
    const unaware = guardedClinic(url, { schema: schema.replaceAll(/^\s*deletedAt.*$/gm, '') });
    const where = { id: 2 };
    const data = { fullName: 'x' };
    try {
      const refusals: [(client: GuardedClinic) => PromiseLike<unknown>, string][] = [
        [(client) => client.child.delete({ where }), 'PK004'],
        [(client) => client.sessionQuizStep.delete({ where }), 'PK004'],
        [(client) => client.sessionQuizStep.update({ where, data: { answer: 'other' } }), 'PK004'],
        [(client) => client.district.delete({ where }), 'PK004'],
        [(client) => client.child.update({ where, data }), 'PK005'],
        [(client) => client.district.update({ where, data: { name: 'x' } }), 'PK005'],
      ];
      for (const [work, code] of refusals) {
        const refusal = await errorOf(work(unaware));
        expect(propertyOf(refusal, '0')).toBe(code);
        expect(refusal).toEqual(await errorOf(work(prisma)));
      }
      await expect(unaware.$executeRawUnsafe('DELETE FROM children WHERE id = 2')).rejects.toMatchObject({
        name: 'GuardError',
        code: 'PK004',
      });
    } finally {
      await unaware.$disconnect();
    }
  });

  it('does not happen with a reason, which is recorded', async () => {
    await prisma.$withReason({ reason: 'name misspelled', by: 17 }, (tx) =>
      tx.child.update({ where: { id: 2 }, data: { fullName: 'Sari' } }),
    );
    const { rows } = await query(
      url,
      'SELECT table_name, key, columns, actor, reason FROM pgkeep.correction',
    );
    expect(rows).toEqual([
      {
        table_name: 'public.children',
        key: { id: 2 },
        columns: ['full_name', 'updated_at'],
        actor: '17',
        reason: 'name misspelled',
      },
    ]);
  });
});
