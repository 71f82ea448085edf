import type { JobRun } from '../jobs/jobs.types.js';
import { byLabel, type Metric, type Reading, single } from './metric.js';

/** What is known of backups, restore tests and jobs. */
export const BACKUP_METRICS: readonly Metric[] = [
  single(
    {
      name: 'pgkeep_backups',
      type: 'gauge',
      help: 'Backups of this database and environment that are kept.',
    },
    ({ learned }) => learned?.backups?.value.finishedAt.length,
  ),
  single(
    {
      name: 'pgkeep_backup_newest_timestamp_seconds',
      type: 'gauge',
      help: 'When the newest backup was finished.',
    },
    ({ learned }) => learned?.backups?.value.finishedAt[0],
  ),
  single(
    { name: 'pgkeep_backup_newest_size_bytes', type: 'gauge', help: 'The size of the newest backup.' },
    ({ learned }) => learned?.backups?.value.newestBytes,
  ),
  single(
    {
      name: 'pgkeep_backup_next_timestamp_seconds',
      type: 'gauge',
      help: 'When the next backup is due by BACKUP_SCHEDULE.',
    },
    ({ learned }) => learned?.nextBackupDue,
  ),
  single(
    {
      name: 'pgkeep_backup_places_unreachable',
      type: 'gauge',
      help: 'Places for backups that did not answer.',
    },
    ({ learned }) => learned?.backups?.value.unreachable.length,
  ),
  single(
    {
      name: 'pgkeep_restore_test_ok',
      type: 'gauge',
      help: '1 if the newest restore test passed.',
    },
    ({ learned }) => {
      const newest = learned?.restoreTests?.value.newest;
      return newest && newest.verdict === 'passed';
    },
  ),
  single(
    {
      name: 'pgkeep_restore_test_passed_timestamp_seconds',
      type: 'gauge',
      help: 'When the newest restore test that passed was finished.',
    },
    ({ learned }) => learned?.restoreTests?.value.newestPassed?.finishedAt,
  ),
  single(
    {
      name: 'pgkeep_restore_duration_seconds',
      type: 'gauge',
      help: 'How long the restore took in the newest restore test that passed.',
    },
    ({ learned }) => {
      const restoreMs = learned?.restoreTests?.value.newestPassed?.restoreMs;
      return typeof restoreMs === 'number' ? restoreMs / 1000 : undefined;
    },
  ),
  ofEachJob(
    { name: 'pgkeep_job_running', type: 'gauge', help: '1 while a run of the job is active.' },
    (runs) => runs.some(({ state }) => state === 'running'),
  ),
  ofEachJob(
    {
      name: 'pgkeep_job_failures',
      type: 'gauge',
      help: 'How many of the newest runs of the job failed or were lost since the last one that succeeded; 5 at most.',
    },
    (runs) => {
      const success = runs.findIndex(({ state }) => state === 'succeeded');
      const since = success === -1 ? runs : runs.slice(0, success);
      return since.filter(({ state }) => state === 'failed' || state === 'lost').length;
    },
  ),
  ofEachJob(
    {
      name: 'pgkeep_job_succeeded_timestamp_seconds',
      type: 'gauge',
      help: 'When a run of the job succeeded last, if that is one of the newest five.',
    },
    (runs) => {
      const finishedAt = runs.find(({ state }) => state === 'succeeded')?.finishedAt;
      return finishedAt ? new Date(finishedAt) : undefined;
    },
  ),
];

/** Declares a metric that each job has. @param reading takes the newest runs of one job, the newest first */
function ofEachJob(
  described: Pick<Metric, 'name' | 'type' | 'help'>,
  reading: (runs: readonly JobRun[]) => Reading,
): Metric {
  return byLabel({ ...described, label: 'job' }, ({ learned }) => {
    const runs = learned?.jobs?.value.runs ?? [];
    const jobs = [...new Set(runs.map(({ job }) => job))].toSorted();
    return jobs.map((job) => [job, reading(runs.filter((run) => run.job === job))]);
  });
}
