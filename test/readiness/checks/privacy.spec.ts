import { describe, expect, it } from '@jest/globals';
import type { Environment } from '../../../src/config/read-settings.js';
import { privacy } from '../../../src/readiness/checks/privacy.js';
import { contextOf } from '../../support/checks.js';

const STATE = { isInForce: true, overdue: [], unshippedMs: null, unknownSince: null };
const MINUTE_MS = 60_000;

describe('privacy', () => {
  function check(
    changes: Partial<typeof STATE> | Record<string, unknown>,
    environment: Environment = {},
  ): unknown {
    return privacy.judge(contextOf({ privacy: { value: { ...STATE, ...changes } } }, environment));
  }

  it('accepts a database in which people are erased in time, and one without rules', () => {
    expect(check({})).toEqual({ ok: true, details: 'erased in time' });
    expect(check({ isInForce: false })).toEqual({ ok: true, details: 'no rule is in force' });
    const late = { isInForce: false };
    expect(check(late, { SOFT_DELETE_GRACE_PERIOD_DAYS: '90' })).toMatchObject({ ok: true });
  });

  it('says when it is not known', () => {
    expect(privacy.judge(contextOf({ privacy: undefined }))).toEqual({ ok: true, details: 'not read yet' });
    expect(privacy.judge(contextOf({ privacy: { reason: 'role "r" cannot read it' } }))).toMatchObject({
      ok: true,
      details: expect.stringContaining('role "r" cannot read it'),
    });
  });

  it.each([
    [
      { overdue: [{ table: 'public.users', rows: 3 }] },
      {},
      'ERASURE_OVERDUE',
      'overdue for erasure: 3 rows of public.users',
    ],
    [
      { unshippedMs: 16 * MINUTE_MS },
      {},
      'ERASURE_LEDGER_BEHIND',
      'erasures have had no copy beside the backups for 16 minutes',
    ],
    [
      {},
      { SOFT_DELETE_GRACE_PERIOD_DAYS: '31' },
      'ERASURE_GRACE_LONG',
      'SOFT_DELETE_GRACE_PERIOD_DAYS is 31: an answer is due within a month',
    ],
    [
      { unknownSince: '2026-06-01T00:00:00Z' },
      {},
      'ERASURES_UNKNOWN',
      'restored without the erasures since the backup, at 2026-06-01T00:00:00Z: run `pgkeep privacy replay`',
    ],
  ])('reports %j with %j', (changes, environment, code, details) => {
    expect(check(changes, environment)).toEqual({ ok: false, code, details });
  });

  it('does not wait for copies where backups are off, nor within the first minutes', () => {
    expect(check({ unshippedMs: 14 * MINUTE_MS })).toMatchObject({ ok: true });
    expect(check({ unshippedMs: 60 * MINUTE_MS }, { BACKUP_ENABLED: 'false' })).toMatchObject({ ok: true });
  });

  it('never makes /ready say no by default', () => {
    expect(privacy.gate).toBe('warn');
  });
});
