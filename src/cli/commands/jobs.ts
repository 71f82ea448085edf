import { formatTime } from '../../core/text.js';
import type { JobRun } from '../../jobs/jobs.types.js';
import { resultText } from '../../maintenance/job-definitions.js';
import { MaintenanceService } from '../../maintenance/maintenance.service.js';
import type { JobsOverview, JobView } from '../../maintenance/maintenance.types.js';
import { alignColumns } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep jobs`: each job, when it is due, and its newest runs. */
export const jobsVerb: Verb = {
  declare: (command) => command,
  run: async (app) => {
    const overview = await app.get(MaintenanceService).overview();
    return { json: overview, text: renderOverview(overview) };
  },
};

function renderOverview({ enabled, timeZone, jobs }: JobsOverview): string {
  const heading = ['job', 'schedule', 'next due (UTC)'];
  const runs = jobs.flatMap((job) => job.runs);
  return [
    ...(enabled ? [] : ['Backups are off (BACKUP_ENABLED is not true): no job runs on a schedule.', '']),
    ...alignColumns([heading, ...jobs.map((job) => jobRow(job, timeZone))]),
    '',
    ...(runs.length === 0
      ? ['No job has run yet.']
      : alignColumns([
          ['run', 'job', 'due (UTC)', 'trigger', 'state', 'duration', 'process', 'result'],
          ...runs.map(runRow),
        ])),
  ].join('\n');
}

function jobRow({ name, schedule, after, nextDueAt }: JobView, timeZone: string): string[] {
  const when = after === null ? (schedule === null ? 'off' : `${schedule} ${timeZone}`) : `after ${after}`;
  return [name, when, nextDueAt === null ? '-' : formatTime(nextDueAt)];
}

function runRow(run: JobRun): string[] {
  const { id, job, dueAt, trigger, state, holder } = run;
  return [id, job, formatTime(dueAt), trigger, state, durationOf(run), holder ?? '-', outcomeOf(run)];
}

function durationOf({ startedAt, finishedAt }: JobRun): string {
  if (startedAt === null || finishedAt === null) return '-';
  return `${Math.round((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000)} s`;
}

function outcomeOf({ error, result }: JobRun): string {
  return error?.message ?? resultText(result);
}
