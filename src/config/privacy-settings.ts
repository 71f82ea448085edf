import { Setting } from './setting.js';
import { parseSchedule } from './setting-parsers.js';
import { IsSchedule, IsWholeNumber } from './setting-rules.js';

/** For how many days a row that is marked as deleted is kept, unless the setting says otherwise. */
export const GRACE_PERIOD_DAYS = 30;

/** When rows that were marked as deleted are erased. */
export class PrivacyVariables {
  /** How long a marked row can still be restored, in days. */
  @Setting('SOFT_DELETE_GRACE_PERIOD_DAYS', {
    text: 'how long a row that is marked as deleted can still be restored; the cleanup erases it afterwards',
    default: String(GRACE_PERIOD_DAYS),
    unit: 'days',
    family: 'SOFT_DELETE_',
    parse: Number,
  })
  @IsWholeNumber({ max: 3650 })
  readonly graceDays: number;

  /** A cron expression; undefined if it is `off`. */
  @Setting('PERMANENT_DELETE_SCHEDULE', {
    text: 'when the service erases marked rows whose grace period is over, where `BACKUP_ENABLED=true`: a cron expression in `BACKUP_TIMEZONE`, or `off` if something else runs `pgkeep privacy cleanup`',
    default: '0 3 * * *',
    family: 'PERMANENT_DELETE_',
    parse: parseSchedule,
  })
  @IsSchedule()
  readonly cleanupSchedule: string | undefined;

  /** A cleanup that would erase more of a table is refused. */
  @Setting('PERMANENT_DELETE_MAX_PERCENT', {
    text: 'a cleanup that would erase more than this share of a table, and more than 100 of its rows, is refused: a wrong clock or a wrong filter must not empty a table',
    default: '10',
    unit: 'percent',
    family: 'PERMANENT_DELETE_',
    parse: Number,
  })
  @IsWholeNumber({ min: 1, max: 100 })
  readonly maxPercent: number;
}
