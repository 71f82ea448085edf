import { boundedList, counted } from '../../core/text.js';
import type { DriftFacts } from '../../readiness/drift-watch.js';
import type { AlertFinding } from '../alert.types.js';

export const DRIFT_CODES = {
  DRIFT: {
    meaning:
      'Objects of the database differ from what the last deploy left: they were changed outside of migrations.',
    remedy: 'Run `pgkeep migrate drift`. Add a migration, or revert the change.',
  },
} as const;

/** Returns an alert where objects differ from what was recorded. Pure. */
export function driftFindings(facts: DriftFacts | undefined): AlertFinding[] {
  if (!facts || 'reason' in facts.look || facts.look.value.kind !== 'compared') return [];
  const { objects } = facts.look.value;
  if (objects.length === 0) return [];
  const names = objects.map(
    ({ home, object, change }) => `${[home, object].filter(Boolean).join(' ')} (${change})`,
  );
  return [
    {
      code: 'DRIFT',
      severity: 'warning',
      subject: '',
      text: `${counted(objects.length, 'object differs', 'objects differ')} from what the last deploy left: ${boundedList(names, 5)}`,
      remedy: DRIFT_CODES.DRIFT.remedy,
      sql: null,
    },
  ];
}
