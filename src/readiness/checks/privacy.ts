import { Injectable } from '@nestjs/common';
import { counted } from '../../core/text.js';
import {
  defineCheck,
  outcomeOf,
  type CheckContext,
  type CheckOutcome,
  type CodeText,
  type Finding,
} from '../check.js';
import { CheckHealthIndicator } from '../health-indicator.js';

/** A request for erasure is answered within a month (GDPR, article 12(3)). */
const LONGEST_GRACE_DAYS = 30;
/** The ledger is copied every minute. */
const LONGEST_UNSHIPPED_MS = 15 * 60_000;
const MINUTE_MS = 60_000;

const CODES = {
  ERASURE_OVERDUE: {
    meaning: 'Marked rows whose grace period is over have not been erased for two periods of the schedule.',
    remedy:
      '`pgkeep jobs` shows why the job `cleanup` did not run, or failed. `pgkeep privacy cleanup --dry-run` shows the rows, and what it would refuse.',
  },
  ERASURE_LEDGER_BEHIND: {
    meaning:
      'Erasures have had no copy beside the backups for more than 15 minutes: where the database is lost, a restore brings those people back.',
    remedy: 'Read the log of the service, and check `BACKUP_DIR` and the buckets.',
  },
  ERASURE_GRACE_LONG: {
    meaning:
      '`SOFT_DELETE_GRACE_PERIOD_DAYS` is more than 30: people who ask for erasure wait longer than a month.',
    remedy: 'Set it to 30 or less, or erase on request: `pgkeep privacy erase`.',
  },
  ERASURES_UNKNOWN: {
    meaning:
      'The database was restored with `--without-erasures`: people who were erased since the backup are back.',
    remedy: 'Run `pgkeep privacy replay`, with `--from NAME` where the replaced database is still there.',
  },
} as const satisfies Record<string, CodeText>;

type Code = keyof typeof CODES;

/** Reports the check `privacy` in an application's own health check. */
@Injectable()
export class PrivacyHealthIndicator extends CheckHealthIndicator {
  readonly name = 'privacy';
}

export const privacy = defineCheck({
  name: 'privacy',
  question: 'Are people erased in time, and do they stay erased?',
  // No reason to stop serving.
  gate: 'warn',
  codes: CODES,
  notes: `Read once a minute, apart from the evaluations. Rules that were applied within two periods of the schedule have that
time for their first cleanup. Where no rule is in force, and where the role may not read the
ledger, the check passes and its details say so.`,
  indicator: PrivacyHealthIndicator,
  judge,
});

function judge({ settings, facts }: CheckContext): CheckOutcome<Code> {
  if (!facts.privacy) return outcomeOf('not read yet', { failing: [] });
  if ('reason' in facts.privacy) {
    return outcomeOf('not known', { failing: [], notes: [facts.privacy.reason] });
  }
  const { isInForce, overdue, unshippedMs, unknownSince } = facts.privacy.value;
  const failing: Finding<Code>[] = [];
  if (unknownSince !== null) {
    failing.push({
      code: 'ERASURES_UNKNOWN',
      text: `restored without the erasures since the backup, at ${unknownSince}: run \`pgkeep privacy replay\``,
    });
  }
  if (overdue.length > 0) {
    const tables = overdue.map(({ table, rows }) => `${counted(rows, 'row')} of ${table}`).join(', ');
    failing.push({ code: 'ERASURE_OVERDUE', text: `overdue for erasure: ${tables}` });
  }
  if (settings.backup.enabled && unshippedMs !== null && unshippedMs > LONGEST_UNSHIPPED_MS) {
    const minutes = Math.floor(unshippedMs / MINUTE_MS);
    failing.push({
      code: 'ERASURE_LEDGER_BEHIND',
      text: `erasures have had no copy beside the backups for ${counted(minutes, 'minute')}`,
    });
  }
  if (isInForce && settings.privacy.graceDays > LONGEST_GRACE_DAYS) {
    failing.push({
      code: 'ERASURE_GRACE_LONG',
      text: `SOFT_DELETE_GRACE_PERIOD_DAYS is ${settings.privacy.graceDays}: an answer is due within a month`,
    });
  }
  return outcomeOf(isInForce ? 'erased in time' : 'no rule is in force', { failing });
}
