import { formatMinute } from '../../core/text.js';
import type { NewestEvidences } from '../../restore/test/evidence.js';
import type { AlertFinding } from '../alert.types.js';

export const RESTORE_TEST_CODES = {
  RESTORE_TEST_FAILED: {
    meaning: 'The newest restore test failed: that backup does not restore to what it was made of.',
    remedy:
      'Run `pgkeep restore history` for the report, and test an older backup: `pgkeep restore test NAME`.',
  },
} as const;

/** Returns an alert where the newest restore test of this environment failed. Pure. */
export function restoreTestFindings(evidence: NewestEvidences | undefined): AlertFinding[] {
  const newest = evidence?.newest;
  if (newest?.verdict !== 'failed') return [];
  return [
    {
      code: 'RESTORE_TEST_FAILED',
      severity: 'critical',
      subject: '',
      text: `The restore test of ${newest.backup} failed at ${formatMinute(newest.finishedAt.toISOString())} UTC`,
      remedy: RESTORE_TEST_CODES.RESTORE_TEST_FAILED.remedy,
      sql: null,
    },
  ];
}
