import { describe, expect, it } from '@jest/globals';
import { CHECKS } from '../../src/readiness/checks.js';
import { blocks, gatesOf, runCheck } from '../../src/readiness/judge.js';

describe('the gates', () => {
  it('are those that READINESS_GATES names, and else those of the declarations', () => {
    expect(gatesOf({ environment: 'warn' }, [{ name: 'redis', gate: 'latch' }, { name: 'mail' }])).toEqual({
      ...Object.fromEntries(CHECKS.map(({ name, gate }) => [name, gate])),
      environment: 'warn',
      redis: 'latch',
      mail: 'enforce',
    });
  });
});

describe('judging', () => {
  it('turns a check that throws into a no', () => {
    const broken = (): never => {
      throw new Error('boom');
    };
    expect(runCheck(broken)).toEqual({
      ok: false,
      code: 'CHECK_FAILED',
      details: 'The check itself failed: boom',
    });
  });

  it.each([
    ['enforce', true, true],
    ['enforce', false, true],
    ['latch', false, true],
    ['latch', true, false],
    ['warn', false, false],
  ] as const)('lets gate %s (ready before: %s) block: %s', (gate, wasReady, blocked) => {
    expect(blocks({ ok: false, details: '', gate }, wasReady)).toBe(blocked);
    expect(blocks({ ok: true, details: '' }, wasReady)).toBe(false);
  });
});
