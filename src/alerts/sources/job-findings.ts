import { formatMinute } from '../../core/text.js';
import { withoutValues } from '../../core/errors.js';
import type { JobRun } from '../../jobs/jobs.types.js';
import type { JobsOverview, JobView } from '../../maintenance/maintenance.types.js';
import type { AlertSeverity } from '../../config/alert-settings.js';
import type { AlertFinding } from '../alert.types.js';

export const JOB_CODES = {
  JOB_FAILED: {
    meaning: 'The newest run of a job failed; critical for backups and restore tests.',
    remedy: 'Read the reason in `pgkeep jobs`, fix it, and start the job again.',
  },
  JOB_STUCK: {
    meaning:
      'A run is overdue by more than 30 minutes, or its process stopped and no other replica has taken it over.',
    remedy: 'Check that a service with BACKUP_ENABLED=true runs, and read its log.',
  },
} as const;

/** A run may begin this much later than it is due: missed runs are spread. */
const PATIENCE_MS = 30 * 60_000;

/** The commands that start a job by hand. */
const COMMANDS: Readonly<Record<string, string>> = {
  backup: 'pgkeep backup',
  prune: 'pgkeep backup prune',
  'restore-test': 'pgkeep restore test',
  cleanup: 'pgkeep privacy cleanup',
};

/** Returns an alert for each job whose newest run failed, and for each that does not run when it is due. Pure. */
export function jobFindings({ enabled, jobs }: JobsOverview, now: Date): AlertFinding[] {
  if (!enabled) return [];
  return jobs.flatMap((job) => [...failed(job), ...stuck(job, now)]);
}

function severityOf(job: string): AlertSeverity {
  return job === 'backup' || job === 'restore-test' ? 'critical' : 'warning';
}

function failed({ name, runs }: JobView): AlertFinding[] {
  const ended = runs.find(({ state }) => state === 'succeeded' || state === 'failed');
  if (ended?.state !== 'failed') return [];
  const when = `${formatMinute(ended.finishedAt ?? ended.dueAt)} UTC`;
  const { code, message, hint } = ended.error ?? { code: 'INTERNAL', message: 'no reason was recorded' };
  return [
    {
      code: 'JOB_FAILED',
      severity: severityOf(name),
      subject: name,
      text: `Job ${name} failed at ${when}: ${withoutValues(message)} [${code}]`,
      remedy: `${hint ?? JOB_CODES.JOB_FAILED.remedy} Start it again with \`${COMMANDS[name] ?? 'pgkeep jobs'}\`.`,
      sql: null,
    },
  ];
}

function stuck({ name, overdueSince, runs }: JobView, now: Date): AlertFinding[] {
  const isOld = (iso: string | null): iso is string =>
    iso !== null && now.getTime() - Date.parse(iso) > PATIENCE_MS;
  const abandoned = runs.find(
    ({ state, leaseExpiresAt }: JobRun) => state === 'running' && isOld(leaseExpiresAt),
  );
  const text = abandoned
    ? `Job ${name} was stopped: ${abandoned.holder ?? 'its process'} has not renewed its lease since ${formatMinute(abandoned.leaseExpiresAt ?? '')} UTC, and no replica took over`
    : isOld(overdueSince)
      ? `Job ${name} is overdue since ${formatMinute(overdueSince)} UTC: no service began it`
      : undefined;
  if (text === undefined) return [];
  const { remedy } = JOB_CODES.JOB_STUCK;
  return [{ code: 'JOB_STUCK', severity: severityOf(name), subject: name, text, remedy, sql: null }];
}
