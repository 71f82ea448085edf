import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { JudgedTable, PolicyReport } from '../../../src/policy/judge-policy.js';
import { policy } from '../../../src/readiness/checks/policy.js';
import { contextOf } from '../../support/checks.js';
import { createClinic, query, verified } from '../../support/clinic.js';
import { evaluate } from '../../support/evaluate.js';
import { changedUrl } from '../../support/guarded-database.js';
import { CLINIC_SCHEMA } from '../../support/policy.js';
import { PolicyApplication } from '../../support/policy-application.js';
import { PRODUCTION } from '../../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../../support/throw-away-cluster.js';

jest.setTimeout(60_000);

const table = (name: string, more: Partial<JudgedTable> = {}): JudgedTable => ({
  name,
  model: null,
  rule: 'never deleted',
  differences: [],
  notes: [],
  ...more,
});

const report = (tables: readonly JudgedTable[], more: Partial<PolicyReport> = {}): PolicyReport => ({
  isDeclared: true,
  differences: [],
  tables,
  ...more,
});

const FIX = '`pgkeep policy show` lists every table, `pgkeep policy apply` fixes it';

describe('policy', () => {
  const check = (value: PolicyReport, environment = {}): unknown =>
    policy.judge(contextOf({ policy: { value } }, environment));

  it.each([
    ['no rules', report([]), { ok: true, details: 'no policy declared' }],
    ['rules in force', report([table('public.a')]), { ok: true, details: '1 table, every rule in force' }],
    [
      'notes',
      report([
        table('public.a', { notes: ['open: empty when applied; seed it, then `pgkeep policy apply`'] }),
      ]),
      {
        ok: true,
        details:
          '1 table, every rule in force; public.a: open: empty when applied; seed it, then `pgkeep policy apply`',
      },
    ],
    [
      'the same difference of several tables',
      report([
        table('public.a', {
          differences: [{ code: 'POLICY_TRIGGER_OFF', text: 'trigger pgkeep_policy_delete is off' }],
        }),
        table('public.b', {
          differences: [{ code: 'POLICY_TRIGGER_OFF', text: 'trigger pgkeep_policy_delete is off' }],
        }),
      ]),
      {
        ok: false,
        code: 'POLICY_TRIGGER_OFF',
        details: `public.a, public.b: trigger pgkeep_policy_delete is off; ${FIX}`,
      },
    ],
    [
      'a table without a rule',
      report([
        table('public.a', {
          differences: [
            { code: 'POLICY_TABLE_WITHOUT_RULE', text: 'has no rule, and every table needs one' },
          ],
        }),
      ]),
      {
        ok: false,
        code: 'POLICY_TABLE_WITHOUT_RULE',
        details: 'public.a: has no rule, and every table needs one',
      },
    ],
  ])('judges %s', (_what, value, outcome) => {
    expect(check(value)).toEqual(outcome);
  });

  it('fails in production only', () => {
    const value = report([], { differences: [{ code: 'POLICY_OUTDATED', text: 'the functions are old' }] });
    expect(check(value, { NODE_ENV: 'staging' })).toEqual({
      ok: true,
      details: `rules for 0 tables; ${FIX}; production would refuse: the functions are old`,
    });
    const fault = { code: 'DATABASE_TIMEOUT', text: 'no answer', hint: '', isUnanswered: true } as const;
    expect(policy.judge(contextOf({ policy: { reason: fault } }))).toEqual({
      ok: false,
      code: 'DATABASE_TIMEOUT',
      details: 'Not known: no answer',
    });
  });

  describe('of a production database', () => {
    let own: ThrowAwayCluster;
    let clinic: PolicyApplication;
    let environment: Record<string, string>;

    beforeAll(async () => {
      own = await startThrowAwayCluster();
      const url = await createClinic(own, 'clinic', { seeded: true });
      clinic = new PolicyApplication(url, readFileSync(CLINIC_SCHEMA, 'utf8'));
      environment = { ...PRODUCTION, DATABASE_URL: verified(own, url) };
      expect((await clinic.run(['install'])).code).toBe(0);
      expect((await clinic.run(['stamp', 'production'])).code).toBe(0);
      expect((await clinic.policy(['apply'], { NODE_ENV: 'production' })).code).toBe(0);
    });
    afterAll(() => own.cluster.destroy());

    const judged = async (more: Record<string, string> = {}): Promise<unknown> =>
      (
        await evaluate({
          ...environment,
          READINESS_TIMEOUT_MS: '5000',
          READINESS_REFRESH_MS: '20000',
          ...more,
        })
      ).checks['policy'];

    // MIGRATIONS_DIR is the clinic's, where the configuration is not evaluated: the applied rules count.
    it('is ready without a Prisma schema, by what was applied', async () => {
      expect(await judged()).toEqual({ ok: true, details: '9 tables, every rule in force' });
    });

    it('is not ready once a trigger is off, until it is applied again', async () => {
      await query(clinic.url, 'ALTER TABLE sessions DISABLE TRIGGER pgkeep_policy_delete');
      expect(await judged()).toEqual({
        ok: false,
        code: 'POLICY_TRIGGER_OFF',
        gate: 'enforce',
        hint: 'docs/checks.md#policy_trigger_off',
        details: `public.sessions: trigger pgkeep_policy_delete is off; ${FIX}`,
      });
      expect((await clinic.policy(['apply'], { NODE_ENV: 'production' })).code).toBe(0);
      expect(await judged()).toMatchObject({ ok: true });
    });

    it('reports an owner that may be missing', async () => {
      await query(clinic.url, 'ALTER TABLE sessions ALTER COLUMN child_id DROP NOT NULL');
      expect(await judged()).toMatchObject({
        code: 'POLICY_OWNER_NULLABLE',
        details: 'public.sessions: its owner may be missing: column child_id can be NULL',
      });
      await query(clinic.url, 'ALTER TABLE sessions ALTER COLUMN child_id SET NOT NULL');
    });

    it('compares with the declared rules where it can read them', async () => {
      const beside = { MIGRATIONS_DIR: `${clinic.directory}/prisma/migrations` };
      clinic.declare(
        readFileSync(CLINIC_SCHEMA, 'utf8').replace('/// @pgkeep.appendOnly', '/// @pgkeep.neverDelete'),
      );
      expect(await judged(beside)).toMatchObject({
        code: 'POLICY_OUTDATED',
        details: `public.session_quiz_steps: its rule changed in the schema since it was applied; ${FIX}`,
      });
    });

    it('is not known to a role that may read nothing of pgkeep', async () => {
      await query(
        clinic.url,
        `CREATE ROLE least LOGIN PASSWORD 'pw'; REVOKE USAGE ON SCHEMA pgkeep FROM PUBLIC`,
      );
      const least = changedUrl(environment['DATABASE_URL'] ?? '', { username: 'least', password: 'pw' });
      expect(await judged({ DATABASE_URL: least })).toEqual({ ok: true, details: 'no policy declared' });
      const beside = { MIGRATIONS_DIR: `${clinic.directory}/prisma/migrations` };
      expect(await judged({ DATABASE_URL: least, ...beside })).toMatchObject({
        code: 'POLICY_MISSING',
        details: `whether the declared rules are enforced is not known: GRANT USAGE ON SCHEMA pgkeep TO "least"; ${FIX}`,
      });
    });
  });
});
