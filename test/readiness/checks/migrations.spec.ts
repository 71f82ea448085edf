import { describe, expect, it } from '@jest/globals';
import type { MigrationStatus } from '../../../src/migrations/migrations.types.js';
import { migrations } from '../../../src/readiness/checks/migrations.js';
import { contextOf } from '../../support/checks.js';

describe('migrations', () => {
  const clean: MigrationStatus = {
    applied: ['1', '2', '3', '4'],
    pending: [],
    failed: [],
    rolledBack: [],
    edited: [],
    unknown: [],
  };
  function check(status: Partial<MigrationStatus>, history: object = {}, unjudged: string[] = []): unknown {
    const complete = { rows: [], table: 'public._prisma_migrations', deployingPid: undefined, ...history };
    const report = { status: { ...clean, ...status }, history: complete, changed: unjudged, unjudged };
    return migrations.judge(contextOf({ migrations: { value: report } }));
  }

  it.each([
    [{}, { ok: true, details: '4/4 migrations applied' }],
    [
      { pending: ['5'], failed: ['6'] },
      { ok: false, code: 'MIGRATIONS_FAILED', details: 'Migration issues: 1 pending, 1 failed' },
    ],
    [{ pending: ['5'] }, { ok: false, code: 'MIGRATIONS_PENDING', details: 'Migration issues: 1 pending' }],
    [
      { pending: ['5'], failed: ['6'], rolledBack: ['7', '8'], edited: ['1'] },
      {
        ok: false,
        code: 'MIGRATIONS_FAILED',
        details: 'Migration issues: 1 pending, 1 failed, 2 rolled back, 1 edited',
      },
    ],
    [
      { rolledBack: ['5'] },
      { ok: false, code: 'MIGRATIONS_ROLLED_BACK', details: 'Migration issues: 1 rolled back' },
    ],
    [
      { unknown: ['5', '6'], edited: ['1'] },
      {
        ok: true,
        details:
          '4/4 migrations applied; 2 applied that this build does not know; 1 edited after being applied',
      },
    ],
  ])('judges %j', (status, outcome) => {
    expect(check(status)).toEqual(outcome);
  });

  it('counts a file that is not compared yet as neither edited nor missing', () => {
    expect(check({}, {}, ['1'])).toEqual({
      ok: true,
      details: '4/4 migrations applied; 1 changed after being applied, not compared yet',
    });
  });

  it('reports a deploy that runs, and a database that was never migrated', () => {
    expect(check({ pending: ['5'] }, { deployingPid: 77, rows: undefined })).toMatchObject({
      details:
        'Migration issues: 1 pending; public._prisma_migrations does not exist: the database was never migrated; a deploy is running (pid 77)',
    });
  });
});
