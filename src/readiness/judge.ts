import type { HealthCheckResult, HealthIndicatorResult, HealthIndicatorStatus } from '@nestjs/terminus';
import type { Gate } from '../config/settings.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import { judgeApplicationCheck } from './application-checks.js';
import type { CheckContext, CheckOutcome } from './check.js';
import { CHECKS, hintOf } from './checks.js';
import type { CheckView, Fact, Judgement } from './readiness.types.js';

/** How the results of the checks become a verdict. */
export interface JudgingRules {
  readonly gates: Readonly<Record<string, Gate>>;
  /** Whether this instance was ready before: then a failing `latch` does not change that. */
  readonly wasReady: boolean;
}

/** Judges what is known. Pure: same facts, settings and time, same verdict. */
export function judge(context: CheckContext, { gates, wasReady }: JudgingRules): Judgement {
  const views = Object.entries(outcomesOf(context)).map(
    ([name, outcome]) => [name, viewOf(outcome, gates[name] ?? 'enforce')] as const,
  );
  const isBlocked = views.some(([, view]) => blocks(view, wasReady));
  return {
    verdict: {
      status: isBlocked ? 'not_ready' : 'ready',
      checks: Object.fromEntries(views),
      evaluatedAt: context.now.toISOString(),
    },
    health: healthOf(views, wasReady),
  };
}

/** Runs one check. One that throws fails, with its reason: never a 500. */
export function runCheck(check: () => CheckOutcome): CheckOutcome {
  try {
    return check();
  } catch (error) {
    return { ok: false, code: 'CHECK_FAILED', details: `The check itself failed: ${messageOf(error)}` };
  }
}

function outcomesOf(context: CheckContext): Record<string, CheckOutcome> {
  const { facts } = context;
  const own = CHECKS.map(({ name, restsOn, judge: judgeCheck }) => {
    const outcome = runCheck(() => judgeCheck(context));
    return [name, restsOn ? withMiss(outcome, facts[restsOn]) : outcome] as const;
  });
  const application = Object.entries(facts.application).map(
    ([name, fact]) => [name, withMiss(judgeApplicationCheck(fact), fact)] as const,
  );
  return Object.fromEntries([...own, ...application]);
}

/** Adds why the fact that a check rests on is not confirmed. */
function withMiss(outcome: CheckOutcome, { unconfirmed }: Fact<unknown, unknown>): CheckOutcome {
  if (!unconfirmed) return outcome;
  const { code, text, misses, of } = unconfirmed;
  const miss = `last known, not confirmed: ${text} (missed evaluation ${misses} of ${of})`;
  return { ...outcome, code: outcome.code ?? code, details: `${outcome.details}; ${miss}` };
}

function viewOf(outcome: CheckOutcome, gate: Gate): CheckView {
  const hint = outcome.code === undefined ? undefined : hintOf(outcome.code);
  return { ...outcome, ...(!outcome.ok && { gate }), ...(hint !== undefined && { hint }) };
}

/** Writes the same in Terminus' format. A check that fails without making the verdict "not ready" is `degraded`. */
function healthOf(views: readonly (readonly [string, CheckView])[], wasReady: boolean): HealthCheckResult {
  const entries = views.map(([name, view]) => {
    const { ok, ...shown } = view;
    const status = ok ? 'up' : blocks(view, wasReady) ? 'down' : 'degraded';
    return [name, { ...shown, status }] as const satisfies readonly [
      string,
      { status: HealthIndicatorStatus },
    ];
  });
  const down = entries.filter(([, { status }]) => status === 'down');
  const info: HealthIndicatorResult = Object.fromEntries(
    entries.filter(([, { status }]) => status !== 'down'),
  );
  const isDegraded = entries.some(([, { status }]) => status === 'degraded');
  return {
    status: down.length > 0 ? 'error' : isDegraded ? 'degraded' : 'ok',
    info,
    error: Object.fromEntries(down),
    details: Object.fromEntries(entries),
  };
}

/**
 * Returns the gate of every check: of pgkeep's own, and of those that the application added.
 * @throws PgkeepError `CONFIG_INVALID` where `READINESS_GATES` names a check that does not exist.
 */
export function gatesOf(
  named: Readonly<Record<string, Gate>>,
  added: readonly { readonly name: string; readonly gate?: Gate }[],
): Readonly<Record<string, Gate>> {
  const defaults = [...CHECKS, ...added].map(({ name, gate = 'enforce' }) => [name, gate] as const);
  const names = new Set(defaults.map(([name]) => name));
  const unknown = Object.keys(named).find((name) => !names.has(name));
  if (unknown !== undefined) {
    throw new PgkeepError(
      'CONFIG_INVALID',
      `READINESS_GATES names "${unknown}", which is not a check (${[...names].join(', ')}).`,
      { hint: 'Correct the name, or pass the check to PgkeepModule in `checks`.' },
    );
  }
  return { ...Object.fromEntries(defaults), ...named };
}

/** Returns whether a failing check makes the verdict "not ready". */
export function blocks({ ok, gate }: CheckView, wasReady: boolean): boolean {
  return !ok && (gate === 'enforce' || (gate === 'latch' && !wasReady));
}
