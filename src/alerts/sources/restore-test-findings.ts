import type { RestoreTestHistory } from '../../restore/test/restore-test.types.js';
import type { AlertFinding } from '../alert.types.js';
import { utc } from './alert-source.js';

export const RESTORE_TEST_CODES = {
  RESTORE_TEST_FAILED: {
    meaning: 'The newest restore test failed: that backup does not restore to what it was made of.',
    remedy:
      'Run `pgkeep restore history` for the report, and test an older backup: `pgkeep restore test NAME`.',
  },
} as const;

/** Returns an alert where the newest restore test of this environment failed. Pure. */
export function restoreTestFindings({ tests }: RestoreTestHistory, environment: string): AlertFinding[] {
  const [newest] = tests
    .filter((test) => test.environment === environment)
    .toSorted((left, right) => right.number - left.number);
  if (newest?.verdict !== 'failed') return [];
  return [
    {
      code: 'RESTORE_TEST_FAILED',
      severity: 'critical',
      subject: '',
      text: `The restore test of ${newest.backup} failed at ${utc(newest.finishedAt)}`,
      remedy: RESTORE_TEST_CODES.RESTORE_TEST_FAILED.remedy,
      sql: null,
    },
  ];
}
