import { describe, expect, it } from '@jest/globals';
import { CHECKS } from '../../src/readiness/checks.js';
import { blocks, gatesOf, runCheck } from '../../src/readiness/judge.js';

describe('the gates', () => {
  it('are those of READINESS_GATES, else those of the declarations', () => {
    expect(gatesOf({ environment: 'warn' }, [{ name: 'redis', gate: 'latch' }, { name: 'mail' }])).toEqual({
      ...Object.fromEntries(CHECKS.map(({ name, gate }) => [name, gate])),
      environment: 'warn',
      redis: 'latch',
      mail: 'enforce',
    });
  });
});

describe('judging', () => {
  it('counts a check that throws as failed', () => {
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
  ] as const)('blocks by gate %s (ready before: %s): %s', (gate, wasReady, blocked) => {
    expect(blocks({ ok: false, details: '', gate }, wasReady)).toBe(blocked);
    expect(blocks({ ok: true, details: '' }, wasReady)).toBe(false);
  });
});
