import type { Type } from '@nestjs/common';
import type { Gate, Settings } from '../config/settings.js';
import type { DatabaseFaultCode } from '../postgres/database-fault.js';
import type { CheckHealthIndicator } from './health-indicator.js';
import type { DatabaseFacts, Facts } from './readiness.types.js';

/** What a code means and what to do about it: its section in docs/checks.md. */
export interface CodeText {
  readonly meaning: string;
  readonly remedy: string;
}

/** What a check judges. */
export interface CheckContext {
  readonly settings: Settings;
  readonly facts: Facts;
  readonly now: Date;
}

/**
 * The one declaration of a check. The names in READINESS_GATES, the codes, the OpenAPI document and docs/checks.md are
 * derived from it.
 */
export interface Check<Name extends string = string, Code extends string = string> {
  /** As `/ready` and `READINESS_GATES` spell it. */
  readonly name: Name;
  /** What the check answers, as a question. */
  readonly question: string;
  /** The gate where READINESS_GATES does not name the check. */
  readonly gate: Gate;
  /** The fact that the check is about: its details say when that is only the last known one. */
  readonly restsOn?: keyof DatabaseFacts;
  readonly codes: Readonly<Record<Code, CodeText>>;
  /** More about the check for docs/checks.md, in Markdown. */
  readonly notes?: string;
  /** Reports the check in an application's own Terminus health check. */
  readonly indicator: Type<CheckHealthIndicator & { readonly name: NoInfer<Name> }>;
  /** Pure: same settings, facts and time, same outcome. */
  readonly judge: (context: CheckContext) => CheckOutcome<NoInfer<Code> | DatabaseFaultCode>;
}

/** Declares a check; the name and the codes keep their literal types. */
export function defineCheck<const Name extends string, const Code extends string>(
  check: Check<Name, Code>,
): Check<Name, Code> {
  return check;
}

/** Codes that any check can have. */
export const GENERAL_CODES = {
  CHECK_FAILED: {
    meaning: 'The check could not be carried out, or failed without its own code.',
    remedy: 'Read `details`, and the logs of pgkeep and of the database server.',
  },
  CHECK_TIMEOUT: {
    meaning: 'A check that the application added gave no answer within `READINESS_TIMEOUT_MS`.',
    remedy: 'Find out what it waits for.',
  },
} as const satisfies Record<string, CodeText>;

/** Codes of a verdict that fails although no single check is the reason. */
export const VERDICT_CODES = {
  EVALUATION_PENDING: {
    meaning: 'The first evaluation has not ended yet.',
    remedy: 'Wait. If it lasts, see the log.',
  },
  EVALUATION_STALE: {
    meaning:
      'The last evaluation is older than three periods: the process was stopped, or its event loop is blocked.',
    remedy: 'See the log for the reason, and restart the process.',
  },
  SHUTTING_DOWN: {
    meaning: 'The process received SIGTERM and drains for one period.',
    remedy: 'Nothing. The load balancer sends requests to other instances.',
  },
} as const satisfies Record<string, CodeText>;

export type VerdictCode = keyof typeof VERDICT_CODES;

/** One thing that a check found. */
export interface Finding<Code extends string = string> {
  readonly code: Code;
  readonly text: string;
}

/** What a check found: `failing` fails it, `notes` are reported only. */
export interface Findings<Code extends string> {
  readonly failing: readonly Finding<Code>[];
  readonly notes?: readonly string[];
}

/** The result of one check, before its gate is applied. */
export interface CheckOutcome<Code extends string = string> {
  readonly ok: boolean;
  /** Everything found, joined with "; ". */
  readonly details: string;
  /** The first failing finding's code; of a check that rests on what was last known, why that is not confirmed. */
  readonly code?: Code;
}

/** Joins a check's findings with "; ", failing ones first; `summary` stands where nothing failed. */
export function outcomeOf<Code extends string>(
  summary: string,
  { failing, notes = [] }: Findings<Code>,
): CheckOutcome<Code> {
  const first = failing[0];
  if (!first) return { ok: true, details: [summary, ...notes].join('; ') };
  return { ok: false, details: [...failing.map(({ text }) => text), ...notes].join('; '), code: first.code };
}

/** The same for a check that fails in production only: elsewhere it reports what production would refuse. */
export function outcomeInProduction<Code extends string>(
  { settings: { environment } }: Pick<CheckContext, 'settings'>,
  summary: string,
  findings: Findings<Code>,
): CheckOutcome<Code> {
  if (environment === 'production') return outcomeOf(summary, findings);
  const refused = findings.failing.map(({ text }) => text).join('; ');
  return outcomeOf(summary, {
    failing: [],
    notes: [...(findings.notes ?? []), ...(refused ? [`production would refuse: ${refused}`] : [])],
  });
}

/** Fails a check whose facts are missing: what is not known to be safe is not safe. */
export function outcomeWithoutFacts<Code extends string>({ code, text }: Finding<Code>): CheckOutcome<Code> {
  return outcomeOf('', { failing: [{ code, text: `Not known: ${text}` }] });
}
