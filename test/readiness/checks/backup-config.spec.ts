import { describe, expect, it } from '@jest/globals';
import type { Environment } from '../../../src/config/read-settings.js';
import { backupConfig } from '../../../src/readiness/checks/backup-config.js';
import type { NewestEvidences } from '../../../src/restore/test/evidence.js';
import { contextOf } from '../../support/checks.js';

describe('backupConfig', () => {
  function check(environment: Environment, evidence?: NewestEvidences): unknown {
    return backupConfig.judge(contextOf({ evidence }, environment));
  }

  it('reports how old the restore test is', () => {
    expect(check({})).toEqual({ ok: true, details: '30 days retention, restore test 12 days old' });
    const one = { BACKUP_RETENTION_DAYS: '1', LAST_BACKUP_RESTORE_TEST_DATE: '2026-06-06' };
    expect(check(one)).toEqual({ ok: true, details: '1 day retention, restore test 1 day old' });
  });

  it.each([
    [{ BACKUP_ENABLED: 'false' }, 'BACKUP_DISABLED', "BACKUP_ENABLED must be set to 'true' in production"],
    [
      { BACKUP_RETENTION_DAYS: '' },
      'BACKUP_RETENTION_UNSET',
      'BACKUP_RETENTION_DAYS must be set in production',
    ],
    [
      { LAST_BACKUP_RESTORE_TEST_DATE: '2026-02-07' },
      'RESTORE_TEST_OLD',
      'Backup restore test is 120 days old - test backups every 90 days',
    ],
    [
      { LAST_BACKUP_RESTORE_TEST_DATE: '2026-06-08' },
      'RESTORE_TEST_IN_FUTURE',
      'LAST_BACKUP_RESTORE_TEST_DATE is in the future (2026-06-08)',
    ],
    [
      { LAST_BACKUP_RESTORE_TEST_DATE: '' },
      'RESTORE_TEST_UNKNOWN',
      'No backup restore test is known - test backups every 90 days: `pgkeep restore test`, or set LAST_BACKUP_RESTORE_TEST_DATE',
    ],
  ])('refuses %j', (environment, code, details) => {
    expect(check(environment)).toEqual({ ok: false, code, details });
  });

  it('joins two findings', () => {
    expect(check({ BACKUP_ENABLED: 'false', LAST_BACKUP_RESTORE_TEST_DATE: '2026-02-07' })).toMatchObject({
      details:
        "BACKUP_ENABLED must be set to 'true' in production; Backup restore test is 120 days old - test backups every 90 days",
    });
  });

  it.each<[string, string, string, object]>([
    [
      'evidence that is younger than the date',
      '2026-02-07',
      '2026-06-04',
      { ok: true, details: '30 days retention, restore test 3 days old' },
    ],
    ['evidence alone', '', '2026-06-04', { ok: true, details: '30 days retention, restore test 3 days old' }],
    [
      'a date that is younger than the evidence',
      '2026-06-01',
      '2026-02-07',
      { ok: true, details: '30 days retention, restore test 6 days old' },
    ],
    [
      'evidence beside a date that has not come',
      '2026-06-08',
      '2026-06-04',
      { ok: true, details: '30 days retention, restore test 3 days old' },
    ],
    [
      'evidence that is old',
      '',
      '2026-02-07',
      {
        ok: false,
        code: 'RESTORE_TEST_OLD',
        details: 'Backup restore test is 120 days old - test backups every 90 days',
      },
    ],
  ])('uses the later one: %s', (_what, typed, tested, expected) => {
    const passed = { backup: 'b', verdict: 'passed', finishedAt: new Date(tested) } as const;
    expect(check({ LAST_BACKUP_RESTORE_TEST_DATE: typed }, { newest: passed, newestPassed: passed })).toEqual(
      expected,
    );
  });

  it('reports that the newest test failed, whatever passed before', () => {
    const passed = { backup: 'b1', verdict: 'passed', finishedAt: new Date('2026-06-01') } as const;
    const failed = { backup: 'b2', verdict: 'failed', finishedAt: new Date('2026-06-04') } as const;
    expect(check({}, { newest: failed, newestPassed: passed })).toEqual({
      ok: true,
      details: '30 days retention, restore test 6 days old; the newest restore test failed: b2',
    });
  });

  it('reports what the newest tested backup does not contain', () => {
    const without = ['the subscription feed', 'the options of the user mapping for app2 SERVER far'];
    const passed = {
      backup: 'b1',
      verdict: 'passed',
      without,
      finishedAt: new Date('2026-06-04'),
    } as const;
    expect(check({}, { newest: passed, newestPassed: passed })).toEqual({
      ok: true,
      details:
        '30 days retention, restore test 3 days old; the newest restore test passed, without the subscription feed, and without the options of the user mapping for app2 SERVER far',
    });
  });

  it('accepts the 90th day', () => {
    expect(check({ LAST_BACKUP_RESTORE_TEST_DATE: '2026-03-09' })).toMatchObject({ ok: true });
    expect(check({ LAST_BACKUP_RESTORE_TEST_DATE: '2026-03-08' })).toMatchObject({ ok: false });
  });
});
