import type { BackupSettings, EnvironmentName } from '../../config/settings.js';
import { counted } from '../../core/text.js';
import { inabilityText } from '../../jobs/jobs-ability.js';
import type { JobRun } from '../../jobs/jobs.types.js';
import type { BackupFacts, JobFacts, StoredBackups } from '../backup-watch.js';
import { outcomeOf, outsideProduction } from '../outcome.js';
import type { CheckOutcome, Finding } from '../readiness.types.js';

const HOUR_MS = 3_600_000;
/** So many periods old may the newest backup be: one, and half of the next for the run itself. */
const PERIODS = 1.5;
/** A run whose lease ended this long ago should have been taken over. */
const STUCK_MS = 300_000;
/** So many failures in a row are no accident. */
const FAILURES = 3;

/** Is there a backup as young as the schedule wants it, does its storage answer, do the jobs run? Fails in production only. */
export function checkBackups(
  environment: EnvironmentName,
  settings: BackupSettings,
  facts: BackupFacts | undefined,
  now: Date,
): CheckOutcome {
  if (!settings.enabled) return outcomeOf('backups off', { failing: [] });
  const { summary, failing } = facts
    ? judge(settings, facts, now)
    : { summary: 'not known yet', failing: [notKnownYet()] };
  return environment === 'production'
    ? outcomeOf(summary, { failing })
    : outsideProduction(summary, { failing });
}

function judge(
  settings: BackupSettings,
  facts: BackupFacts,
  now: Date,
): { summary: string; failing: Finding[] } {
  const jobs = 'value' in facts.jobs ? facts.jobs.value : undefined;
  const failing = [...storageFindings(facts, jobs, now), ...scheduleFindings(settings, facts)];
  if (jobs) failing.push(...stuckFindings(jobs));
  return { summary: summaryOf(facts, now), failing };
}

function storageFindings(facts: BackupFacts, jobs: JobFacts | undefined, now: Date): Finding[] {
  const { storage, periodMs } = facts;
  if ('reason' in storage) {
    return [
      { code: 'BACKUP_STORAGE_UNREACHABLE', text: `The backup storage does not answer: ${storage.reason}` },
    ];
  }
  return [...unreachableFindings(storage.value), ...ageFindings(storage.value, periodMs, jobs, now)];
}

function unreachableFindings({ unreachable }: StoredBackups): Finding[] {
  return unreachable.map(({ location, message }) => ({
    code: 'BACKUP_STORAGE_UNREACHABLE',
    text: `The backup storage ${location} does not answer: ${message}`,
  }));
}

function ageFindings(
  storage: StoredBackups,
  periodMs: number,
  jobs: JobFacts | undefined,
  now: Date,
): Finding[] {
  const limit = periodMs * PERIODS;
  const newest = newestOf(storage, now);
  const since = jobs?.registered.find(({ name }) => name === 'backup')?.since;
  // A schedule that is new has this long to make its first backup.
  const hasGrace = since !== undefined && now.getTime() - since.getTime() <= limit;
  if (hasGrace || (newest && now.getTime() - newest.getTime() <= limit)) return [];
  const wanted = `the schedule wants one every ${ageText(periodMs)}`;
  if (!newest) return [{ code: 'BACKUP_MISSING', text: `There is no backup - ${wanted}` }];
  const age = ageText(now.getTime() - newest.getTime());
  return [{ code: 'BACKUP_OLD', text: `Newest backup is ${age} old - ${wanted}` }];
}

function scheduleFindings({ schedule }: BackupSettings, { jobs }: BackupFacts): Finding[] {
  // With BACKUP_SCHEDULE=off somebody else runs the backups: only their age counts.
  if (schedule === undefined) return [];
  if ('reason' in jobs) {
    return [{ code: 'JOBS_UNAVAILABLE', text: `The backup schedule is not known: ${jobs.reason}` }];
  }
  const { ability, registered } = jobs.value;
  if (ability.kind !== 'able') {
    const { message, hint } = inabilityText(ability);
    return [{ code: 'JOBS_UNAVAILABLE', text: `The backup schedule cannot run: ${message}. ${hint}` }];
  }
  if (registered.some(({ name }) => name === 'backup')) return [];
  return [
    {
      code: 'JOBS_UNAVAILABLE',
      text: 'Nobody runs the backup schedule: start the service with BACKUP_ENABLED=true, or set BACKUP_SCHEDULE=off where backups are made by something else',
    },
  ];
}

function stuckFindings({ runs, askedAt }: JobFacts): Finding[] {
  const jobs = [...new Set(runs.map(({ job }) => job))];
  return jobs.flatMap((job) => {
    const ofJob = runs.filter((run) => run.job === job);
    const text = abandonedText(ofJob, askedAt) ?? failuresText(ofJob);
    return text === undefined ? [] : [{ code: 'JOB_STUCK', text: `Job ${job} ${text}` } as const];
  });
}

function abandonedText(runs: readonly JobRun[], now: Date): string | undefined {
  const running = runs.find(({ state }) => state === 'running');
  if (!running?.leaseExpiresAt) return undefined;
  const silentMs = now.getTime() - new Date(running.leaseExpiresAt).getTime();
  if (silentMs <= STUCK_MS) return undefined;
  return `is stuck: ${running.holder ?? ''} went silent ${ageText(silentMs)} ago and no replica has taken its run over`;
}

function failuresText(runs: readonly JobRun[]): string | undefined {
  const ended = runs.filter(({ state }) => state !== 'running' && state !== 'skipped').slice(0, FAILURES);
  if (ended.length < FAILURES || ended.some(({ state }) => state === 'succeeded')) return undefined;
  return `failed ${FAILURES} times in a row, the last time with: ${ended[0]?.error?.message ?? 'no reason'}`;
}

function summaryOf({ storage, nextDue }: BackupFacts, now: Date): string {
  if ('reason' in storage) return 'backups not known';
  const newest = newestOf(storage.value, now);
  if (!newest) return `no backup yet${nextDue ? `, the first is due ${nextDue.toISOString()}` : ''}`;
  const { finishedAt, places } = storage.value;
  return `newest backup ${ageText(now.getTime() - newest.getTime())} old, ${finishedAt.length} kept in ${counted(places.length, 'place')}`;
}

/** A backup that is dated in the future proves nothing about today. */
function newestOf({ finishedAt }: StoredBackups, now: Date): Date | undefined {
  return finishedAt.find((date) => date <= now);
}

function notKnownYet(): Finding {
  return { code: 'BACKUP_STORAGE_UNREACHABLE', text: 'The backup storage has not answered yet' };
}

/** `40 minutes`, `9 hours`, `3 days`. */
function ageText(ms: number): string {
  if (ms < 2 * HOUR_MS) return counted(Math.floor(ms / 60_000), 'minute');
  if (ms < 72 * HOUR_MS) return counted(Math.floor(ms / HOUR_MS), 'hour');
  return counted(Math.floor(ms / (24 * HOUR_MS)), 'day');
}
