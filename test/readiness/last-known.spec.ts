import { describe, expect, it } from '@jest/globals';
import { DeadlineError } from '../../src/postgres/deadline.js';
import { LastKnown, type Miss } from '../../src/readiness/last-known.js';
import { learn, notLearned } from '../../src/readiness/readiness.service.js';

const PATIENCE = { misses: 3, ageMs: 10_000 };
const MISS = { code: 'DATABASE_TIMEOUT', text: 'no answer within 800 ms' } as const;
const UNKNOWN = { reason: { ...MISS, isUnanswered: true } };

describe('the last known value', () => {
  it('is used for a limited number of misses and a limited time since it was read', () => {
    const last = new LastKnown<string, Miss>(PATIENCE);
    expect(last.take({ value: 'a' }, undefined, 1000)).toEqual({ value: 'a' });
    for (const misses of [1, 2, 3]) {
      expect(last.take(UNKNOWN, MISS, 6000)).toEqual({
        value: 'a',
        unconfirmed: { ...MISS, misses, of: 3, untilMs: 11_000 },
      });
    }
    expect(last.take(UNKNOWN, MISS, 8400)).toBe(UNKNOWN);
    expect(last.take({ value: 'b' }, undefined, 9000)).toEqual({ value: 'b' });
    expect(last.take(UNKNOWN, MISS, 14_000)).toMatchObject({
      value: 'b',
      unconfirmed: { misses: 1, untilMs: 19_000 },
    });
  });

  it('is not used if there is none, if a bad answer came since, or if no miss is tolerated', () => {
    const never = new LastKnown<string, Miss>(PATIENCE);
    expect(never.take(UNKNOWN, MISS, 0)).toBe(UNKNOWN);
    const refused = { reason: { code: 'DATABASE_UNREACHABLE', text: '', isUnanswered: false } };
    never.take({ value: 'a' }, undefined, 0);
    expect(never.take(refused, undefined, 1000)).toBe(refused);
    expect(never.take(UNKNOWN, MISS, 2000)).toBe(UNKNOWN);
    const impatient = new LastKnown<string, Miss>({ misses: 0, ageMs: 10_000 });
    impatient.take({ value: 'a' }, undefined, 0);
    expect(impatient.take(UNKNOWN, MISS, 1000)).toBe(UNKNOWN);
  });
});

describe('an error', () => {
  const coded = (code: string, message = code): Error => Object.assign(new Error(message), { code });

  it.each([
    ['the deadline', new DeadlineError(800)],
    ['the driver’s wait for a connection', new Error('timeout expired')],
    ['the driver’s wait for an answer', new Error('Query read timeout')],
    ['a lock', coded('55P03', 'canceling statement due to lock timeout')],
    ['statement_timeout', coded('57014', 'canceling statement due to statement timeout')],
    ['a network that answers nothing', coded('ETIMEDOUT', 'connect ETIMEDOUT 10.0.0.1:5432')],
    ['a name server that answers nothing', coded('EAI_AGAIN', 'getaddrinfo EAI_AGAIN db')],
  ])('counts as a miss: %s', (_what, error) => {
    expect(notLearned(error).isUnanswered).toBe(true);
  });

  it.each([
    ['refused', coded('ECONNREFUSED')],
    ['reset while connecting', coded('ECONNRESET')],
    ['starting up', coded('57P03')],
    ['wrong password', coded('28P01')],
    ['no pg_hba line', coded('28000')],
    ['no such database', coded('3D000')],
    ['no connection left', coded('53300')],
    ['no such host', coded('ENOTFOUND')],
    ['no right', coded('42501')],
  ])('counts as a bad answer: %s', (_what, error) => {
    expect(notLearned(error).isUnanswered).toBe(false);
  });

  it('that breaks a connection in use counts as a miss, and ends the evaluation', async () => {
    const broken = coded('57P01', 'terminating connection due to administrator command');
    await expect(learn(Promise.reject(broken))).rejects.toBe(broken);
    expect(notLearned(broken, { wasConnected: true }).isUnanswered).toBe(true);
    expect(notLearned(broken).isUnanswered).toBe(false);
  });
});
