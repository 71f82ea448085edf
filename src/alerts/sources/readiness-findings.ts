import type { CodeText } from '../../readiness/check.js';
import { GENERAL_CODES, VERDICT_CODES } from '../../readiness/check.js';
import { CHECKS } from '../../readiness/checks.js';
import { blocks } from '../../readiness/judge.js';
import type { Verdict } from '../../readiness/readiness.types.js';
import type { AlertFinding } from '../alert.types.js';

const TEXTS = new Map<string, CodeText>(
  [...CHECKS.map(({ codes }) => codes), GENERAL_CODES, VERDICT_CODES].flatMap((codes) =>
    Object.entries(codes),
  ),
);

/** Codes that say the same of every check: the database does not answer. */
const ABOUT_CONNECTION = /^DATABASE_(UNREACHABLE|TIMEOUT|ERROR|AUTHENTICATION_FAILED)$/;

/**
 * Returns an alert for each check of `/ready` that fails, by its code: critical where it makes this replica not ready, a
 * warning where the gate only warns. Pure.
 */
export function readinessFindings({ status, code, checks }: Verdict): AlertFinding[] {
  const failing = Object.entries(checks).filter(([, { ok }]) => !ok);
  const isConnection = failing.some(([, view]) => ABOUT_CONNECTION.test(view.code ?? ''));
  const findings = failing
    // Where the database does not answer, no check knows anything: one of them says it.
    .filter(
      ([, view], index) =>
        !isConnection ||
        index === firstConnection(failing.map(([, one]) => one.code)) ||
        !/^Not known: /.test(view.details),
    )
    .map(([name, view]): AlertFinding => {
      const failedCode = view.code ?? 'CHECK_FAILED';
      return {
        code: failedCode,
        severity: blocks(view, status === 'ready') ? 'critical' : 'warning',
        subject: name,
        text: `/ready, ${name}: ${view.details}`,
        remedy: remedyOf(failedCode),
        sql: null,
      };
    });
  return code === 'EVALUATION_STALE' ? [...findings, staleFinding()] : findings;
}

function firstConnection(codes: readonly (string | undefined)[]): number {
  return codes.findIndex((code) => ABOUT_CONNECTION.test(code ?? ''));
}

/** Remedies are Markdown for docs/checks.md; the backticks around commands stay. */
function remedyOf(code: string): string {
  const known = TEXTS.get(code);
  return known
    ? known.remedy.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    : 'Run `pgkeep ready` for the details.';
}

function staleFinding(): AlertFinding {
  const { meaning, remedy } = VERDICT_CODES.EVALUATION_STALE;
  return {
    code: 'EVALUATION_STALE',
    severity: 'critical',
    subject: '',
    text: `/ready: ${meaning}`,
    remedy,
    sql: null,
  };
}
