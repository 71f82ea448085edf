import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, type Type } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  CHECK_NAMES,
  PgkeepModule,
  readSettings,
  ReadinessMonitor,
  type CheckResult,
  type CheckView,
  type Environment,
  type ReadinessCheck,
} from '../../src/index.js';
import { createClinic, verified } from '../support/clinic.js';
import { PRODUCTION } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const DEADLINE_MS = 1000;
const UP: CheckResult = { ok: true, details: 'Redis 7.4' };
const DOWN: CheckResult = { ok: false, details: 'Redis is loading', code: 'REDIS_LOADING' };

type Answer = ReadinessCheck['check'];

let answer: Answer;
let calls = 0;

@Injectable()
class RedisCheck implements ReadinessCheck {
  readonly name: string = 'redis';

  async check(signal: AbortSignal): Promise<CheckResult> {
    calls += 1;
    return await answer(signal);
  }
}

@Injectable()
class LatchedCheck extends RedisCheck {
  readonly gate = 'latch';
}

/** What an application written in JavaScript may return. */
function nonsense(json: string): Answer {
  return () => JSON.parse(json);
}

function hang(): Promise<CheckResult> {
  return new Promise(() => undefined);
}

describe('an application’s own check', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let module: TestingModule | undefined;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createClinic(own, 'clinic');
  });
  beforeEach(() => {
    answer = () => UP;
    calls = 0;
  });
  afterEach(async () => {
    await module?.close();
    module = undefined;
  });
  afterAll(() => own.cluster.destroy());

  async function monitor(
    environment: Environment = {},
    checks: readonly Type<ReadinessCheck>[] = [RedisCheck],
  ): Promise<ReadinessMonitor> {
    const settings = readSettings({
      ...PRODUCTION,
      // Evaluations happen only on the test's request.
      READINESS_REFRESH_MS: '60000',
      READINESS_TIMEOUT_MS: String(DEADLINE_MS),
      READINESS_FAILURE_THRESHOLD: '1',
      DATABASE_URL: verified(own, url),
      ...environment,
    });
    module = await Test.createTestingModule({
      imports: [PgkeepModule.forRoot(settings, { checks })],
    }).compile();
    module.useLogger(false);
    await module.init();
    return module.get(ReadinessMonitor);
  }

  async function redisOf(
    readiness: ReadinessMonitor,
  ): Promise<{ status: string; redis: CheckView | undefined }> {
    const { status, checks } = await readiness.verdict();
    return { status, redis: checks['redis'] };
  }

  it('comes after pgkeep’s own, and decides the verdict', async () => {
    const readiness = await monitor();
    const { status, checks } = await readiness.verdict();
    expect([status, Object.keys(checks).at(-1), checks['redis']]).toEqual(['ready', 'redis', UP]);
    answer = () => DOWN;
    await readiness.refresh();
    expect(await redisOf(readiness)).toEqual({ status: 'not_ready', redis: { ...DOWN, gate: 'enforce' } });
    expect(await readiness.health()).toMatchObject({
      status: 'error',
      error: { redis: { status: 'down', details: 'Redis is loading', code: 'REDIS_LOADING' } },
    });
    answer = () => ({ ok: false, details: 'no code' });
    await readiness.refresh();
    expect((await redisOf(readiness)).redis).toEqual({
      ok: false,
      details: 'no code',
      code: 'CHECK_FAILED',
      gate: 'enforce',
      hint: 'docs/checks.md#check_failed',
    });
  });

  it.each<[string, Answer, string]>([
    ['throws', () => Promise.reject(new Error('boom')), 'boom'],
    [
      'returns nothing',
      nonsense('null'),
      'it returned something other than { ok: boolean, details: string }',
    ],
    ['returns a text', nonsense('"up"'), 'it returned something other than { ok: boolean, details: string }'],
    [
      'returns a truthy ok',
      nonsense('{"ok":"yes","details":""}'),
      'it returned something other than { ok: boolean, details: string }',
    ],
    [
      'returns no details',
      nonsense('{"ok":true}'),
      'it returned something other than { ok: boolean, details: string }',
    ],
    [
      'returns a code that is a sentence',
      nonsense('{"ok":false,"details":"","code":"it is down"}'),
      'its code is not in capitals, digits and underscores, such as REDIS_DOWN',
    ],
  ])('fails immediately if it %s', async (_what, given, text) => {
    const readiness = await monitor();
    await readiness.verdict();
    answer = given;
    await readiness.refresh();
    expect(await redisOf(readiness)).toEqual({
      status: 'not_ready',
      redis: {
        ok: false,
        details: `The check itself failed: ${text}`,
        code: 'CHECK_FAILED',
        gate: 'enforce',
        hint: 'docs/checks.md#check_failed',
      },
    });
  });

  it('that hangs fails at the deadline, delays no answer, and is not called again before it ends', async () => {
    let signal: AbortSignal | undefined;
    answer = (given) => {
      signal = given;
      return hang();
    };
    const readiness = await monitor();
    const began = performance.now();
    await readiness.refresh();
    expect(performance.now() - began).toBeLessThan(DEADLINE_MS * 2);
    const timedOut = {
      ok: false,
      code: 'CHECK_TIMEOUT',
      details: `no answer within ${DEADLINE_MS} ms`,
      gate: 'enforce',
      hint: 'docs/checks.md#check_timeout',
    };
    expect(await redisOf(readiness)).toEqual({ status: 'not_ready', redis: timedOut });
    expect(signal?.aborted).toBe(true);
    await readiness.refresh();
    expect((await redisOf(readiness)).redis).toEqual({
      ...timedOut,
      details: 'the call of an earlier evaluation has not returned yet',
    });
    expect(calls).toBe(1);
    expect(readiness.verdict()).not.toBeInstanceOf(Promise);
    expect((await readiness.verdict()).checks['migrations']).toEqual({
      ok: true,
      details: '9/9 migrations applied',
    });
  });

  it('that stalls keeps its last result for as many evaluations as any other', async () => {
    const readiness = await monitor();
    await readiness.verdict();
    let release = (_result: CheckResult): void => undefined;
    answer = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    await readiness.refresh();
    expect(await redisOf(readiness)).toEqual({
      status: 'ready',
      redis: {
        ok: true,
        code: 'CHECK_TIMEOUT',
        details: `Redis 7.4; last known, not confirmed: no answer within ${DEADLINE_MS} ms (missed evaluation 1 of 1)`,
        hint: 'docs/checks.md#check_timeout',
      },
    });
    await readiness.refresh();
    expect(await redisOf(readiness)).toMatchObject({ status: 'not_ready', redis: { code: 'CHECK_TIMEOUT' } });
    release(UP);
    answer = () => UP;
    await until(async () => {
      await readiness.refresh();
      return (await readiness.verdict()).status === 'ready';
    });
    expect((await redisOf(readiness)).redis).toEqual(UP);
  });

  it('shows no secret, on one line, of a thousand characters at most', async () => {
    process.env['REDIS_PASSWORD'] = 'hunter2-of-redis';
    try {
      const readiness = await monitor();
      answer = () =>
        Promise.reject(new Error('connect redis://:swordfish@cache:6379\n failed: hunter2-of-redis'));
      await readiness.refresh();
      expect((await redisOf(readiness)).redis?.details).toBe(
        'The check itself failed: connect redis://:***@cache:6379 failed: ***',
      );
      answer = () => ({ ok: true, details: `hunter2-of-redis ${'x'.repeat(2000)}` });
      await readiness.refresh();
      expect((await redisOf(readiness)).redis?.details).toBe(`*** ${'x'.repeat(996)}…`);
    } finally {
      delete process.env['REDIS_PASSWORD'];
    }
  });

  it('has its gate from READINESS_GATES, from the class, or enforce', async () => {
    answer = () => DOWN;
    const gates = { READINESS_GATES: 'backups=warn,redis=warn' };
    expect(await redisOf(await monitor(gates, [LatchedCheck]))).toEqual({
      status: 'ready',
      redis: { ...DOWN, gate: 'warn' },
    });
    await module?.close();
    const latched = await monitor({}, [LatchedCheck]);
    expect(await redisOf(latched)).toEqual({ status: 'not_ready', redis: { ...DOWN, gate: 'latch' } });
    answer = () => UP;
    await latched.refresh();
    answer = () => DOWN;
    await latched.refresh();
    expect(await redisOf(latched)).toEqual({ status: 'ready', redis: { ...DOWN, gate: 'latch' } });
    expect(await latched.health()).toMatchObject({
      status: 'degraded',
      info: { redis: { status: 'degraded' } },
    });
  });

  it.each<[string, string]>([
    ['Migrations', 'there is a check of that name'],
    ['cache=1', 'its name must begin with a letter and hold only letters, digits, "_" and "-"'],
    ['', 'its name must begin with a letter and hold only letters, digits, "_" and "-"'],
  ])('is refused with the name "%s"', async (name, why) => {
    class NamedCheck extends RedisCheck {
      override readonly name = name;
    }
    await expect(monitor({}, [NamedCheck])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `The application's check "${name}" cannot be added: ${why}.`,
    });
  });

  it('is refused if another one has its name, as is a name in READINESS_GATES that no check has', async () => {
    class OtherCheck extends RedisCheck {}
    await expect(monitor({}, [RedisCheck, OtherCheck])).rejects.toMatchObject({
      message: 'The application\'s check "redis" cannot be added: there is a check of that name.',
    });
    await expect(monitor({ READINESS_GATES: 'rediss=warn' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `READINESS_GATES names "rediss", which is not a check (${CHECK_NAMES.join(', ')}, redis).`,
      hint: 'Correct the name, or pass the check to PgkeepModule in `checks`.',
    });
  });

  it('does not prevent the application from ending while it hangs', async () => {
    answer = hang;
    const readiness = await monitor();
    void readiness.refresh();
    await until(() => calls === 1);
    const began = performance.now();
    await module?.close();
    module = undefined;
    expect(performance.now() - began).toBeLessThan(DEADLINE_MS * 2);
  });
});
