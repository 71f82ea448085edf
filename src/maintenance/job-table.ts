import { isListOf, isText } from '../core/json-guards.js';
import { withoutText } from '../backup/omission-texts.js';
import type { BackupSettings, Settings } from '../config/settings.js';
import type { JsonObject } from '../jobs/jobs.types.js';

/** The jobs there are. */
export const JOB_NAMES = ['backup', 'prune', 'restore-test'] as const;
export type JobName = (typeof JOB_NAMES)[number];

const HOUR_MS = 3_600_000;

/** One job: when it runs, and for how long at most. */
export interface Job {
  readonly name: JobName;
  /** The cron expression; undefined where it has no schedule, or its setting is `off`. */
  readonly expression: (settings: BackupSettings) => string | undefined;
  /** The job that a run of the schedule is followed by, once it succeeded. */
  readonly followedBy?: JobName;
  /** The job that it follows. */
  readonly after?: JobName;
  /** A run that takes longer is ended and has failed. */
  readonly limitMs: number;
}

/** Job name and setting; `JobWork` has the verbs. */
export const JOBS: Readonly<Record<JobName, Job>> = {
  backup: {
    name: 'backup',
    expression: ({ schedule }) => schedule,
    followedBy: 'prune',
    limitMs: 12 * HOUR_MS,
  },
  // Never by itself: a prune without a new backup would thin out what a broken backup job left.
  prune: { name: 'prune', expression: () => undefined, after: 'backup', limitMs: HOUR_MS },
  'restore-test': {
    name: 'restore-test',
    expression: ({ restoreTestSchedule }) => restoreTestSchedule,
    // A test has a limit of its own, of at most a week (RESTORE_TEST_TIMEOUT_MINUTES), and then a verdict.
    limitMs: 8 * 24 * HOUR_MS,
  },
};

/** The jobs with a setting of their own, and how each is scheduled, for people. */
export function scheduleTexts({ backup }: Settings): { name: JobName; schedule: string }[] {
  return JOB_NAMES.map((name) => JOBS[name])
    .filter(({ after }) => after === undefined)
    .map(({ name, expression }) => {
      const text = expression(backup);
      return { name, schedule: text === undefined ? 'off' : `${text} ${backup.timeZone}` };
    });
}

/** What came of a run, in a few words: the backup's name, its verdict, or each fact, lists by their length. */
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
