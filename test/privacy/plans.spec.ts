import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PrismaPg } from '@prisma/adapter-pg';
import { Client } from 'pg';
import { PrismaClient } from '../../src/generated/prisma/client.js';
import { InstallService } from '../../src/install/install.service.js';
import { anonymizePlan, replacedFields } from '../../src/privacy/anonymize-plan.js';
import { erasePlan, heldPlan, referringPlan, retainedPlan } from '../../src/privacy/erase-plan.js';
import { exportPlan } from '../../src/privacy/export-plan.js';
import { markPlan, restorePlan } from '../../src/privacy/mark-plan.js';
import { OwnerGraph, marked, modelsOf, own, owned } from '../../src/privacy/owner-graph.js';
import { oneRow, openAction, type Rows, type Statement } from '../../src/privacy/row-sql.js';
import { withApp } from '../support/app.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { applyRules, CLINIC_SCHEMA, clinicRules, rulesOf } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { AWKWARD_SCHEMA, AWKWARD_TABLES } from './awkward-people.js';

const clinic = new OwnerGraph(clinicRules(), 'public');
const awkward = new OwnerGraph(rulesOf(AWKWARD_SCHEMA), 'public');
/** The first person of the awkward schema. */
const FIRST = { tenant: 'A', number: '9007199254740993' };
const PEOPLE = String.raw`"we""ird"."People ""of"" Ünïty"`;

function planned(plan: Statement | undefined): Statement {
  if (!plan) throw new Error('there is no plan');
  return plan;
}

describe('the plans of privacy', () => {
  let server: ThrowAwayCluster;
  let clinicTemplate: string;
  let awkwardTemplate: string;

  beforeAll(async () => {
    server = await startThrowAwayCluster();
    clinicTemplate = await createClinic(server, 'clinic', { seeded: true });
    awkwardTemplate = await createDatabase(server, 'awkward');
    await query(awkwardTemplate, AWKWARD_TABLES);
    for (const url of [clinicTemplate, awkwardTemplate]) {
      await withApp(url, (app) => app.get(InstallService).install());
    }
    await applyRules(clinicTemplate);
    await applyRules(awkwardTemplate, awkward.rules);
  });
  afterAll(() => server.cluster.destroy());

  /** Runs `work` in a transaction with an opened action, which is rolled back. */
  async function inAction<T>(
    url: string,
    action: string,
    work: (
      run: (plan: Statement | undefined) => Promise<Record<string, unknown>[]>,
      id: string,
    ) => Promise<T>,
  ): Promise<T> {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      const run = async (plan: Statement | undefined) =>
        plan ? (await client.query(plan.sql, [...plan.values])).rows : [];
      await client.query('BEGIN');
      const [opened] = await run(openAction(action, { by: 'dpo', reason: 'letter of 12 May' }));
      return await work(run, String(opened?.['id']));
    } finally {
      await client.end();
    }
  }

  const user = (id: unknown) => oneRow(clinic, 'User', { id });
  const first = oneRow(awkward, 'Person', FIRST);
  const ledger = {
    sql: 'SELECT table_name, key, what FROM pgkeep.privacy_row ORDER BY table_name, key',
    values: [],
  };

  it('find what belongs to whom', () => {
    const names = (graph: OwnerGraph, root: string, follow: typeof owned) =>
      modelsOf(graph.model(root), graph.down(root, follow)).map(({ model }) => model.name);
    expect(names(clinic, 'User', owned)).toEqual(['User', 'Parent', 'Child', 'Session', 'SessionQuizStep']);
    expect(names(clinic, 'User', own)).toEqual(['User', 'Parent']);
    expect(names(clinic, 'User', marked)).toEqual(['User', 'Parent']);
    expect(names(clinic, 'Child', own)).toEqual(['Child']);
    expect(names(awkward, 'Person', owned)).toEqual(['Person', 'Note']);
    expect(() => clinic.model('Usr')).toThrow('The Prisma schema has no model "Usr".');
  });

  it('export everything of a person, by the names of the Prisma schema, without secrets', async () => {
    const exported = async (url: string, graph: OwnerGraph, person: Rows) =>
      await inAction(url, 'export-data', async (run) => {
        const plan = exportPlan(graph, person);
        const data: Record<string, Record<string, unknown>[]> = {};
        for (const { model, rows } of plan.models) {
          data[model] = (await run(rows)).map(({ row }): Record<string, unknown> => JSON.parse(String(row)));
        }
        return { data, made: await run(plan.made), omitted: plan.omitted };
      });

    const { data, made, omitted } = await exported(clinicTemplate, clinic, user(180));
    expect(omitted).toEqual(['User.passwordHash']);
    expect(data['User']).toHaveLength(1);
    expect(Object.keys(data['User']?.[0] ?? {})).toEqual([
      'id',
      'email',
      'fullName',
      'phone',
      'role',
      'status',
      'posyanduId',
      'deletedAt',
      'deletedBy',
      'createdAt',
      'updatedAt',
    ]);
    expect(data['Parent']).toHaveLength(1);
    expect(made).toEqual([
      { made: 'Child.registeredBy', rows: 0 },
      { made: 'Session.examiner', rows: 0 },
    ]);
    const { rows: expected } = await query(
      clinicTemplate,
      `SELECT count(DISTINCT c.id)::int AS children, count(s.id)::int AS sessions
         FROM parents p JOIN children c ON c.parent_id = p.id LEFT JOIN sessions s ON s.child_id = c.id WHERE p.user_id = 180`,
    );
    expect(data['Child']).toHaveLength(expected[0].children);
    expect(data['Session']).toHaveLength(expected[0].sessions);

    const odd = await exported(awkwardTemplate, awkward, first);
    expect(odd.omitted).toEqual(['Person.secret']);
    expect(odd.data['Person']).toEqual([
      expect.objectContaining({
        tenant: 'A',
        number: '9007199254740993',
        salary: '1235.50',
        born: '1971-08-01',
        seen: '2026-03-04T05:06:07Z',
        wakes: '07:30:00',
        photo: 'yv4=',
        notes: { blood: '0+' },
        tagList: ['a', 'b'],
        moods: ['CROSS'],
        isHappy: true,
        maiden: null,
        deletedAt: null,
      }),
    ]);
    // Those of others that reply to hers go with hers, and one replies to itself.
    expect(odd.data['Note']?.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(odd.made).toEqual([
      { made: 'Person.manager', rows: 2 },
      { made: 'Visit.person', rows: 0 },
      { made: 'Trail.person', rows: 0 },
    ]);
  });

  it('replace every personal value by one that is made of the key and fits the column', async () => {
    await inAction(awkwardTemplate, 'anonymize', async (run, id) => {
      const counts = await run(anonymizePlan(awkward, first, id));
      expect(counts).toEqual([
        { model: 'Person', rows: 1, unrecorded: false },
        { model: 'Note', rows: 7, unrecorded: false },
      ]);
      const people = {
        sql: `SELECT to_jsonb(p) AS p, p.device::text FROM ${PEOPLE} p WHERE "Ten""ant" = 'A' AND "nümber" = 9007199254740993`,
        values: [],
      };
      const [{ p: person } = {}] = await run(people);
      expect(person).toEqual({
        'Ten"ant': 'A',
        nümber: 9007199254740992,
        email: expect.stringMatching(/^erased-[0-9a-f]{16}@erased\.invalid$/),
        phone: expect.stringMatching(/^\+000\d{8}$/),
        code: expect.stringMatching(/^0\d{9}$/),
        pin: expect.any(Number),
        salary: 0,
        born: '1971-01-01',
        seen: '2026-01-01T00:00:00+00:00',
        wakes: '00:00:00',
        secret: String.raw`\x`,
        photo: String.raw`\x`,
        device: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/),
        home: expect.stringMatching(/^https:\/\/erased\.invalid\/[0-9a-f]{15}$/),
        address: '0.0.0.0',
        notes: {},
        'tag list': [],
        moods: [],
        mood: 'CALM',
        isHappy: false,
        nickname: null,
        maiden: null,
        motto: 'erased',
        kept: 'kept',
        plain: 'plain',
        'manager tenant': null,
        'manager number': null,
        favouriteId: 2,
        'deleted at': null,
        'deleted by': null,
        'updated at': expect.any(String),
      });
      expect(Math.trunc(Math.log10(Number(Reflect.get(Object(person), 'pin'))))).toBe(3);
      const rows = await run(ledger);
      expect(rows).toHaveLength(8);
      expect(rows[0]).toEqual({
        table_name: String.raw`"we""ird"."People ""of"" Ünïty"`,
        key: { 'Ten"ant': 'A', nümber: 9007199254740992 },
        what: 'anonymized',
      });
      // The same row gets the same values.
      await run(anonymizePlan(awkward, first, id));
      expect((await run(people))[0]?.['p']).toEqual(person);
    });
    expect(replacedFields(clinic.model('Parent'))).toEqual(['nationalId', 'birthDate', 'address']);
  });

  it('anonymize every person of the clinic: unique, and up to the children', async () => {
    await inAction(clinicTemplate, 'anonymize', async (run, id) => {
      const all: Rows = { model: 'User', where: 'true', values: [] };
      const [users] = await run({
        sql: 'SELECT count(*)::int AS users, (SELECT count(*)::int FROM parents) AS parents FROM users',
        values: [],
      });
      expect(await run(anonymizePlan(clinic, all, id))).toEqual([
        { model: 'User', rows: users?.['users'], unrecorded: false },
        { model: 'Parent', rows: users?.['parents'], unrecorded: false },
      ]);
      const left = await run({
        sql: `SELECT count(*)::int AS n FROM users WHERE email NOT LIKE 'erased-%' OR full_name <> 'Erased' OR password_hash <> '!'`,
        values: [],
      });
      expect(left).toEqual([{ n: 0 }]);
      expect(await run(retainedPlan(clinic, user(180)))).toEqual(
        expect.arrayContaining([{ model: 'Child', rows: expect.any(Number) }]),
      );
    });
    await inAction(clinicTemplate, 'anonymize', async (run, id) => {
      expect(await run(anonymizePlan(clinic, oneRow(clinic, 'Child', { id: '7' }), id))).toEqual([
        { model: 'Child', rows: 1, unrecorded: false },
      ]);
      expect(await run(anonymizePlan(clinic, user(999_999), id))).toMatchObject([{ rows: 0 }, { rows: 0 }]);
    });
  });

  it('mark what a deletion would cascade to, and restore just that', async () => {
    const people = {
      sql: `SELECT "deleted at" IS NOT NULL AS marked, "deleted by" FROM ${PEOPLE} WHERE "Ten""ant" = 'A' ORDER BY "nümber"`,
      values: [],
    };
    const notes = {
      sql: `SELECT array_agg(id ORDER BY id) AS ids FROM "we""ird".notes WHERE "deleted at" IS NOT NULL`,
      values: [],
    };
    await inAction(awkwardTemplate, 'soft-delete', async (run, id) => {
      // One was deleted before.
      await run({ sql: `UPDATE "we""ird".notes SET "deleted at" = '2020-01-01Z' WHERE id = 3`, values: [] });
      expect(await run(markPlan(awkward, first, id, 'registrar'))).toEqual([
        { model: 'Person', rows: 1, unrecorded: false },
        { model: 'Note', rows: 6, unrecorded: false },
      ]);
      expect(await run(people)).toEqual([
        { marked: true, 'deleted by': 'regis' },
        { marked: false, 'deleted by': null },
        { marked: false, 'deleted by': null },
      ]);
      expect(await run(notes)).toEqual([{ ids: [1, 2, 3, 4, 5, 6, 7] }]);
      expect(await run(markPlan(awkward, first, id, 'registrar'))).toMatchObject([{ rows: 0 }, { rows: 0 }]);
      expect(await run(restorePlan(awkward, first, id))).toMatchObject([{ rows: 1 }, { rows: 6 }]);
      expect(await run(notes)).toEqual([{ ids: [3] }]);
    });
    await inAction(clinicTemplate, 'soft-delete', async (run, id) => {
      expect(await run(markPlan(clinic, user(1), id, 'dpo'))).toMatchObject([
        { model: 'User', rows: 1 },
        { model: 'Parent', rows: 0 },
      ]);
      expect(await run(restorePlan(clinic, user(1), id))).toMatchObject([{ rows: 1 }, { rows: 0 }]);
      expect(await run(ledger)).toEqual([
        { table_name: 'public.users', key: { id: 1 }, what: 'marked' },
        { table_name: 'public.users', key: { id: 1 }, what: 'restored' },
      ]);
    });
  });

  it('restore what a deletion marked, also where a table was renamed since', async () => {
    const renamed = (...names: [from: string, to: string][]): OwnerGraph => {
      const text = readFileSync(CLINIC_SCHEMA, 'utf8');
      return new OwnerGraph(
        rulesOf(names.reduce((all, [from, to]) => all.replace(`@@map("${from}")`, `@@map("${to}")`), text)),
        'public',
      );
    };
    for (const names of [
      [['users', 'people']],
      [['parents', 'guardians']],
      [
        ['users', 'a b'],
        ['parents', 'c d'],
      ],
    ]) {
      await inAction(clinicTemplate, 'soft-delete', async (run, id) => {
        await run({
          sql: 'UPDATE users SET deleted_at = NULL; UPDATE parents SET deleted_at = NULL',
          values: [],
        });
        const pairs = names.map(([from = '', to = '']): [string, string] => [from, to]);
        expect(await run(markPlan(clinic, user(180), id, 'dpo'))).toMatchObject([{ rows: 1 }, { rows: 1 }]);
        for (const [from, to] of pairs)
          await run({ sql: `ALTER TABLE ${from} RENAME TO "${to}"`, values: [] });
        const graph = renamed(...pairs);
        const [again] = await run(openAction('restore-record', { by: 'dpo', reason: 'letter' }));
        expect(
          await run(restorePlan(graph, oneRow(graph, 'User', { id: 180 }), String(again?.['id']))),
        ).toMatchObject([{ rows: 1 }, { rows: 1 }]);
      });
    }
  });

  it('erase a person through a circle of keys, and name what refers to her and stays', async () => {
    await inAction(awkwardTemplate, 'hard-delete', async (run) => {
      expect(await run(referringPlan(awkward, first))).toEqual([]);
      await run({
        sql: `INSERT INTO visits VALUES (1, 'A', 9007199254740993), (2, 'A', 9007199254740993)`,
        values: [],
      });
      await run({ sql: `INSERT INTO trail VALUES (1, 'A', 9007199254740993)`, values: [] });
      const root = { 'Ten"ant': 'A', nümber: 9007199254740992 };
      expect(await run(referringPlan(awkward, first))).toEqual([
        { root, model: 'Visit', field: 'person', rows: 2, to: 'Person', key: root },
        { root, model: 'Trail', field: 'person', rows: 1, to: 'Person', key: root },
      ]);
      await run({ sql: 'DELETE FROM visits', values: [] });
      await run({
        sql: `ALTER TABLE trail DISABLE TRIGGER ALL; DELETE FROM trail; ALTER TABLE trail ENABLE TRIGGER ALL`,
        values: [],
      });
      expect(await run(erasePlan(awkward, first))).toEqual([
        { model: 'Person', rows: 1 },
        { model: 'Note', rows: 7 },
      ]);
      expect(await run(ledger)).toHaveLength(8);
      expect(
        await run({
          sql: `SELECT DISTINCT "manager tenant", "favouriteId" FROM ${PEOPLE} WHERE "Ten""ant" = 'A'`,
          values: [],
        }),
      ).toEqual([{ 'manager tenant': null, favouriteId: null }]);
    });
    const {
      rows: [parent],
    } = await query(
      clinicTemplate,
      'SELECT p.id, p.user_id, count(*)::int AS children FROM parents p JOIN children c ON c.parent_id = p.id GROUP BY p.id ORDER BY 3 DESC, 1 LIMIT 1',
    );
    await inAction(clinicTemplate, 'hard-delete', async (run) => {
      expect(await run(referringPlan(clinic, user(parent.user_id)))).toEqual([
        {
          root: { id: parent.user_id },
          model: 'Child',
          field: 'parent',
          rows: parent.children,
          to: 'Parent',
          key: { id: parent.id },
        },
      ]);
      expect(await run(erasePlan(clinic, user(999_999)))).toEqual([
        { model: 'User', rows: 0 },
        { model: 'Parent', rows: 0 },
      ]);
    });
  });

  it('find the holds on a person, on her rows and on those she belongs to', async () => {
    const {
      rows: [child],
    } = await query(
      clinicTemplate,
      'SELECT c.id, c.parent_id, p.user_id FROM children c JOIN parents p ON p.id = c.parent_id ORDER BY 1 LIMIT 1',
    );
    await inAction(clinicTemplate, 'hold', async (run) => {
      const hold = (table: string, id: number, until: string | null) => ({
        sql: `INSERT INTO pgkeep.legal_hold (table_name, key, because, held_until, held_by) VALUES ($1, $2, 'case', $3, 'dpo')`,
        values: [table, JSON.stringify({ id }), until],
      });
      await run(hold('public.children', child.id, '2000-01-01'));
      expect(await run(heldPlan(clinic, user(child.user_id)))).toEqual([]);
      await run(hold('public.parents', child.parent_id, null));
      const held = { model: 'Parent', key: { id: child.parent_id } };
      expect(await run(heldPlan(clinic, user(child.user_id)))).toEqual([
        { root: { id: child.user_id }, ...held },
      ]);
      expect(await run(heldPlan(clinic, oneRow(clinic, 'Child', { id: child.id })))).toEqual([
        { root: { id: child.id }, ...held },
      ]);
    });
  });

  it('run in Prisma’s client as well, whatever the type of the key', async () => {
    const adapter = new PrismaPg({ connectionString: clinicTemplate });
    const prisma = new PrismaClient({ adapter });
    try {
      const counts = await prisma.$transaction(async (tx) => {
        const run = async <T>({ sql, values }: Statement) => await tx.$queryRawUnsafe<T[]>(sql, ...values);
        const opened = await run<{ id: string }>(openAction('anonymize', { by: null, reason: null }));
        const action = String(opened[0]?.id);
        const changes: unknown[] = [];
        for (const person of [user(180), user('181')]) {
          const [first_] = exportPlan(clinic, person).models;
          changes.push(first_ && (await run(first_.rows)).length, await run(heldPlan(clinic, person)));
          changes.push(await run(planned(anonymizePlan(clinic, person, action))));
        }
        changes.push(await run(markPlan(clinic, user(182), action, null)));
        return changes;
      });
      const both = [
        { model: 'User', rows: 1, unrecorded: false },
        { model: 'Parent', rows: 1, unrecorded: false },
      ];
      expect(counts).toEqual([1, [], both, 1, [], both, both]);
    } finally {
      await prisma.$disconnect();
    }
  });

  it('remove the reasons of earlier actions and corrections with the row', async () => {
    await inAction(clinicTemplate, 'soft-delete', async (run, id) => {
      await run(markPlan(clinic, user(25), id, 'dpo'));
      const [erasure] = await run(openAction('anonymize', { by: 'dpo', reason: 'request 12' }));
      await run(anonymizePlan(clinic, user(25), String(erasure?.['id'])));
      await run({ sql: 'SELECT pgkeep_policy.forget_reasons($1)', values: [erasure?.['id']] });
      expect(
        await run({
          sql: `SELECT action, reason FROM pgkeep.privacy_action WHERE actor = 'dpo' ORDER BY 1`,
          values: [],
        }),
      ).toEqual([
        { action: 'anonymize', reason: 'request 12' },
        { action: 'soft-delete', reason: null },
      ]);
      await expect(
        run({ sql: 'SELECT pgkeep_policy.forget_reasons($1)', values: [randomUUID()] }),
      ).rejects.toThrow('pgkeep: removing reasons is refused: no erasure was opened in this transaction');
    });
  });
});
