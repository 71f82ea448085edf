import type { CodeText } from '../../readiness/check.js';
import { GENERAL_CODES, VERDICT_CODES } from '../../readiness/check.js';
import { CHECKS } from '../../readiness/checks.js';
import { blocks } from '../../readiness/judge.js';
import type { CheckView, Verdict } from '../../readiness/readiness.types.js';
import type { AlertFinding } from '../alert.types.js';

const TEXTS = new Map<string, CodeText>(
  [...CHECKS.map(({ codes }) => codes), GENERAL_CODES, VERDICT_CODES].flatMap((codes) =>
    Object.entries(codes),
  ),
);

/**
 * Returns an alert for each check of `/ready` that fails, by its code: critical where it makes this replica not ready, a
 * warning where the gate only warns. Of several checks that fail because the database does not answer, one is named. Pure.
 */
export function readinessFindings({ status, code, checks }: Verdict): AlertFinding[] {
  const failing = Object.entries(checks).filter(([, { ok }]) => !ok);
  const connection = failing.find(([, { code: failed = '' }]) => failed.startsWith('DATABASE_'));
  const named = failing.filter(
    ([name, { details }]) => !connection || name === connection[0] || !details.startsWith('Not known: '),
  );
  const findings = named.map(([name, view]) => findingOf(name, view, status === 'ready'));
  return code === 'EVALUATION_STALE' ? [...findings, STALE] : findings;
}

function findingOf(name: string, view: CheckView, isReady: boolean): AlertFinding {
  const { code = 'CHECK_FAILED', details } = view;
  return {
    code,
    severity: blocks(view, isReady) ? 'critical' : 'warning',
    subject: name,
    text: `/ready, ${name}: ${details}`,
    remedy: remedyOf(code),
    sql: null,
  };
}

/** Remedies are Markdown for docs/checks.md; of a link the words stay. */
function remedyOf(code: string): string {
  const known = TEXTS.get(code);
  return known
    ? known.remedy.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    : 'Run `pgkeep ready` for the details.';
}

const STALE: AlertFinding = {
  code: 'EVALUATION_STALE',
  severity: 'critical',
  subject: '',
  text: `/ready: ${VERDICT_CODES.EVALUATION_STALE.meaning}`,
  remedy: VERDICT_CODES.EVALUATION_STALE.remedy,
  sql: null,
};
