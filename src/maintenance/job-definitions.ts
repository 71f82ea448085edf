import { withoutText } from '../backup/omissions.js';
import type { Settings } from '../config/settings.js';
import { isListOf, isText } from '../core/json-guards.js';
import type { JsonObject } from '../jobs/jobs.types.js';

/** The names of the jobs. */
export const JOB_NAMES = ['backup', 'prune', 'restore-test', 'cleanup'] as const;
export type JobName = (typeof JOB_NAMES)[number];

const HOUR_MS = 3_600_000;

/** A job: when it runs, and for how long at most. */
export interface Job {
  readonly name: JobName;
  /** The cron expression; undefined where it has no schedule, or its setting is `off`. */
  readonly expression: (settings: Settings) => string | undefined;
  /** The job that starts when a scheduled run of this one has succeeded. */
  readonly followedBy?: JobName;
  /** The job that it follows: `followedBy` from the other side. */
  readonly after?: JobName;
  /** A run that takes longer is ended and has failed. */
  readonly limitMs: number;
}

/** The jobs; `JobWork` does their work. */
export const JOBS: Readonly<Record<JobName, Job>> = {
  backup: {
    name: 'backup',
    expression: ({ backup }) => backup.schedule,
    followedBy: 'prune',
    limitMs: 12 * HOUR_MS,
  },
  // Only after a backup: while backups fail, pruning would delete what is left.
  prune: { name: 'prune', expression: () => undefined, after: 'backup', limitMs: HOUR_MS },
  'restore-test': {
    name: 'restore-test',
    expression: ({ backup }) => backup.restoreTestSchedule,
    // A test ends at RESTORE_TEST_TIMEOUT_MINUTES, a week at most, with a verdict.
    limitMs: 8 * 24 * HOUR_MS,
  },
  cleanup: {
    name: 'cleanup',
    expression: ({ privacy }) => privacy.cleanupSchedule,
    limitMs: 2 * HOUR_MS,
  },
};

/** Returns the jobs that have a schedule setting, and the schedule of each, for people. */
export function scheduleTexts(settings: Settings): { name: JobName; schedule: string }[] {
  return JOB_NAMES.map((name) => JOBS[name])
    .filter(({ after }) => after === undefined)
    .map(({ name, expression }) => {
      const text = expression(settings);
      return { name, schedule: text === undefined ? 'off' : `${text} ${settings.backup.timeZone}` };
    });
}

/** Returns the result of a run as text: the backup and its verdict, or each fact, lists by their length. */
export function resultText(result: JsonObject | null | undefined): string {
  if (!result) return '';
  const { name, backup, verdict, without } = result;
  const missing = withoutText(isListOf(isText)(without) ? without : []);
  if (typeof name === 'string') return `${name}${missing}`;
  if (typeof backup === 'string' && typeof verdict === 'string') return `${backup} ${verdict}${missing}`;
  return Object.entries(result)
    .map(([fact, value]) => `${fact} ${Array.isArray(value) ? value.length : String(value)}`)
    .join(', ');
}
