import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { Environment } from '../../src/config/read-settings.js';
import { CleanupService } from '../../src/privacy/cleanup/cleanup.service.js';
import type { ErasureState } from '../../src/privacy/cleanup/erasure-state.js';
import type { CleanupOptions, CleanupReport } from '../../src/privacy/cleanup/cleanup.types.js';
import { backupDirectory } from '../support/backups.js';
import { clinicMigrations } from '../support/clinic-project.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { clockShiftedBy } from '../support/clock-shifted-by.js';
import { runCli } from '../support/pgkeep-process.js';
import { applyRules } from '../support/policy.js';
import { withService } from '../support/services.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const LONG_AGO = `now() - interval '40 days'`;

describe('a cleanup of marked rows', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  let environment: Environment;
  let databases = 0;
  /** Two users with a profile and no children, and one whose children stay. */
  let childless: { user: number; parent: number }[];
  let withChildren: { user: number; parent: number };

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const pristine = await createClinic(own, 'pristine', { seeded: true });
    expect((await runCli(['install'], { DATABASE_URL: pristine })).code).toBe(0);
    await applyRules(pristine);
    for (const table of ['users', 'parents', 'posyandus', 'sessions', 'children']) {
      await query(
        pristine,
        `BEGIN; SELECT set_config('pgkeep.reason', 'a test', true); UPDATE ${table} SET deleted_at = NULL, deleted_by = NULL; COMMIT`,
      );
    }
    const people = async (how: string, limit: number) =>
      (
        await query(
          pristine,
          `SELECT p.user_id AS user, p.id AS parent FROM parents p
            WHERE ${how} (SELECT FROM children c WHERE c.parent_id = p.id) ORDER BY 1 LIMIT ${limit}`,
        )
      ).rows;
    childless = await people('NOT EXISTS', 2);
    [withChildren = { user: 0, parent: 0 }] = await people('EXISTS', 1);
  });
  beforeEach(async () => {
    databases += 1;
    clinic = await createDatabase(own, `clinic_${databases}`, 'pristine');
    environment = {
      DATABASE_URL: clinic,
      BACKUP_DIR: backupDirectory(),
      MIGRATIONS_DIR: clinicMigrations(),
    };
  });
  afterAll(() => own.cluster.destroy());

  const clean = async (options: CleanupOptions = {}): Promise<CleanupReport> =>
    await withService(CleanupService, environment, (cleanup) => cleanup.clean({ actor: 'test', ...options }));

  async function mark(people: readonly { user: number; parent: number }[], when = LONG_AGO): Promise<void> {
    const list = (of: 'user' | 'parent') => people.map((person) => person[of]).join(', ');
    await query(
      clinic,
      `UPDATE users SET deleted_at = ${when} WHERE id IN (${list('user')});
       UPDATE parents SET deleted_at = ${when} WHERE id IN (${list('parent')})`,
    );
  }

  const counts = ({ tables }: CleanupReport) =>
    Object.fromEntries(tables.map(({ table, fate, rows }) => [`${fate} ${table}`, rows]));

  const users = async (ids: readonly number[]): Promise<Record<string, unknown>[]> =>
    (await query(clinic, `SELECT id, email, full_name FROM users WHERE id IN (${ids.join(', ')}) ORDER BY 1`))
      .rows;

  it('deletes people, anonymizes whom something that stays refers to, and records each row', async () => {
    await mark([...childless, withChildren]);
    await mark([{ user: 1, parent: 0 }], `now() - interval '29 days'`);
    const planned = await clean({ dryRun: true });
    const report = await clean();
    expect(counts(planned)).toEqual(counts(report));
    expect(counts(report)).toEqual({
      'delete public.users': 2,
      'delete public.parents': 2,
      'anonymize public.users': 1,
      'anonymize public.parents': 1,
    });
    expect(report.tables.filter(({ fate }) => fate === 'anonymize')).toEqual([
      expect.objectContaining({
        table: 'public.users',
        because: ['parents'],
        keys: [`${withChildren.user}`],
      }),
      expect.objectContaining({
        table: 'public.parents',
        because: ['children'],
        keys: [`${withChildren.parent}`],
      }),
    ]);
    expect(await users([...childless.map(({ user }) => user), withChildren.user, 1])).toEqual([
      expect.objectContaining({ id: 1, email: expect.not.stringContaining('erased') }),
      expect.objectContaining({
        id: withChildren.user,
        email: expect.stringMatching(/^erased-[0-9a-f]{16}@erased\.invalid$/),
        full_name: 'Erased',
      }),
    ]);
    const { rows } = await query(
      clinic,
      `SELECT a.action, a.actor, r.what, count(*)::int AS n FROM pgkeep.privacy_action a JOIN pgkeep.privacy_row r ON r.action_id = a.id
        WHERE a.action = 'cleanup' GROUP BY 1, 2, 3 ORDER BY 3`,
    );
    expect(rows).toEqual([
      { action: 'cleanup', actor: 'test', what: 'anonymized', n: 2 },
      { action: 'cleanup', actor: 'test', what: 'deleted', n: 4 },
    ]);
    expect(report).toMatchObject({ erased: 6, recorded: true, failures: [], ledger: { failures: [] } });
    const again = await clean();
    expect(again).toMatchObject({ erased: 0, tables: [], ledgerDigest: null });
    const log = await query(clinic, `SELECT actor, details FROM pgkeep.change_log WHERE action = 'cleanup'`);
    expect(log.rows).toEqual([
      {
        actor: 'test',
        details: expect.objectContaining({ ledgerDigest: report.ledgerDigest, graceDays: 30 }),
      },
    ]);
  });

  it('takes nothing that a legal hold keeps: the person, what belongs to it, and whom it belongs to', async () => {
    await mark(childless);
    const [first, second] = childless;
    await query(
      clinic,
      `INSERT INTO pgkeep.legal_hold VALUES ('public.users', '{"id": ${first?.user}}', 'a case', NULL, now(), 'dpo'),
         ('public.parents', '{"id": ${second?.parent}}', 'a case', NULL, now(), 'dpo')`,
    );
    expect(await clean()).toMatchObject({ erased: 0, tables: [] });
    await query(clinic, `UPDATE pgkeep.legal_hold SET held_until = CURRENT_DATE - 1`);
    expect(await clean()).toMatchObject({ erased: 4 });
  });

  it('never takes rows of a table that is never deleted', async () => {
    await query(
      clinic,
      `BEGIN; SELECT set_config('pgkeep.reason', 'a test', true);
       UPDATE children SET deleted_at = ${LONG_AGO} WHERE id IN (1, 2, 3); COMMIT`,
    );
    expect(await clean()).toMatchObject({ erased: 0, never: [{ table: 'public.children', rows: 3 }] });
  });

  it('is refused where it would erase too large a share of a table', async () => {
    await query(clinic, `UPDATE users SET deleted_at = ${LONG_AGO}`);
    const { rows } = await query(clinic, 'SELECT count(*)::int AS n FROM users');
    const n: number = rows[0].n;
    await expect(clean()).rejects.toMatchObject({
      code: 'PRIVACY_REFUSED',
      message: `Refused to clean up: ${n} of ${n} rows of public.users (100 %) would be erased, more than 10 %. Nothing was erased.`,
    });
    expect(await clean({ dryRun: true })).toMatchObject({
      tooLarge: [{ table: 'public.users', due: n, rows: n, percent: 100 }],
    });
    expect((await clean({ maxPercent: 100 })).erased).toBe(n);
  });

  it('passes over a person of whom a row is locked, and takes it the next time', async () => {
    await mark(childless);
    const locker = new Client({ connectionString: clinic });
    await locker.connect();
    await locker.query('BEGIN');
    await locker.query('SELECT FROM parents WHERE id = $1 FOR UPDATE', [childless[0]?.parent]);
    const report = await clean();
    expect(counts(report)).toMatchObject({
      'delete public.users': 1,
      'delete public.parents': 1,
      'later public.users': 1,
    });
    await locker.query('ROLLBACK');
    await locker.end();
    expect(await clean()).toMatchObject({ erased: 2 });
  });

  it('erases nothing that is restored in the meantime', async () => {
    await mark(childless);
    let batches = 0;
    const report = await clean({
      beforeBatch: async () => {
        batches += 1;
        if (batches > 1) return;
        await query(clinic, `UPDATE users SET deleted_at = NULL WHERE id = ${childless[0]?.user}`);
        await query(clinic, `UPDATE parents SET deleted_at = NULL WHERE id = ${childless[0]?.parent}`);
      },
    });
    expect(report.erased).toBe(2);
    expect(await users(childless.map(({ user }) => user))).toHaveLength(1);
  });

  it('reports a row that cannot be erased, and erases the others', async () => {
    await mark(childless);
    await query(
      clinic,
      `CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'kept by the billing system'; END $$;
       CREATE TRIGGER billing BEFORE DELETE ON users FOR EACH ROW WHEN (OLD.id = ${childless[0]?.user}) EXECUTE FUNCTION stop()`,
    );
    const report = await clean();
    expect(report.failures).toEqual([
      { table: 'public.users', key: `${childless[0]?.user}`, message: 'kept by the billing system' },
    ]);
    expect(await users(childless.map(({ user }) => user))).toHaveLength(1);
    const { rows } = await query(clinic, `SELECT FROM parents WHERE id = ${childless[0]?.parent}`);
    expect(rows).toHaveLength(1);
  });

  it('is refused where a rule is not in force, for no erasure must go unrecorded', async () => {
    await query(clinic, 'ALTER TABLE users DISABLE TRIGGER pgkeep_policy_delete');
    await expect(clean()).rejects.toMatchObject({
      code: 'PRIVACY_REFUSED',
      message:
        'Refused to clean up: the rules of public.users are not in force, so an erased row would not be recorded. Nothing was erased.',
      hint: 'Run `pgkeep policy apply`, then clean up again.',
    });
  });

  it('blanks the reasons of what was recorded about the person', async () => {
    const [person = { user: 0, parent: 0 }] = childless;
    await query(
      clinic,
      `BEGIN; SELECT pgkeep_policy.open_action('soft-delete', 'dpo', 'Ms. Wati moved away');
       SELECT pgkeep_policy.record_rows(nullif(current_setting('pgkeep.action'), '')::uuid, 'public.users', '[{"id": ${person.user}}]', 'marked'); COMMIT`,
    );
    await mark([person]);
    await clean();
    const { rows } = await query(
      clinic,
      `SELECT reason FROM pgkeep.privacy_action WHERE action = 'soft-delete'`,
    );
    expect(rows).toEqual([{ reason: null }]);
  });

  it('is overdue two periods after the grace period, and not before the rules have been in force so long', async () => {
    await mark(childless);
    const day = 86_400_000;
    const state = async (): Promise<ErasureState> =>
      await withService(CleanupService, environment, (cleanup) => cleanup.state(day));
    const overdue = [
      { table: 'public.users', rows: 2 },
      { table: 'public.parents', rows: 2 },
    ];
    expect(await state()).toEqual({ isInForce: true, overdue, unshippedMs: null, unknownSince: null });
    await mark(childless, `now() - interval '31 days'`);
    expect(await state()).toMatchObject({ overdue: [] });
    await mark(childless);
    const applied = (
      ago: string,
    ) => `INSERT INTO pgkeep.table_policy (schema_name, table_name, model, rule, applied_at)
      VALUES ('public', 'users', 'User', '{}', now() - interval '${ago}')
          ON CONFLICT (schema_name, table_name) DO UPDATE SET applied_at = excluded.applied_at`;
    await query(clinic, applied('47 hours'));
    expect(await state()).toMatchObject({ isInForce: true, overdue: [] });
    await query(clinic, applied('49 hours'));
    expect(await state()).toMatchObject({ overdue });
  });

  it.each([
    ['behind', -366],
    ['ahead', 366],
  ])('is refused where this machine’s clock is a year %s', async (_how, days) => {
    await mark(childless);
    const { code, stderr } = await runCli(['privacy', 'cleanup'], {
      ...environment,
      NODE_OPTIONS: clockShiftedBy(days * 86_400),
    });
    expect(stderr).toMatch(
      /^Refused to clean up: the database's clock says \S+, this machine's \S+: they differ by 366 days\. Nothing was erased\.\nCorrect the clock that is wrong\. By a clock that is ahead, rows are erased too early\.\n/,
    );
    expect(code).toBe(3);
    expect(await users(childless.map(({ user }) => user))).toHaveLength(2);
  });
});
