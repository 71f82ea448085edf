import { Injectable } from '@nestjs/common';
import type { BackupSettings } from '../../config/settings.js';
import { valueOf } from '../../core/known.js';
import { counted } from '../../core/text.js';
import { type JobRun, whyUnable } from '../../jobs/jobs.types.js';
import type { BackupFacts, JobFacts, StoredBackups } from '../backup-watch.js';
import {
  type CheckContext,
  type CheckOutcome,
  type CodeText,
  defineCheck,
  type Finding,
  outcomeInProduction,
  outcomeOf,
} from '../check.js';
import { CheckHealthIndicator } from '../health-indicator.js';

const HOUR_MS = 3_600_000;
/** The newest backup may be this many periods old: one, and half of the next for the run itself. */
const PERIODS = 1.5;
/** A run whose lease ended this long ago should have been taken over. */
const STUCK_MS = 300_000;
/** This many failures in a row fail the check. */
const FAILURES = 3;

const CODES = {
  BACKUP_MISSING: {
    meaning: 'There is no backup.',
    remedy: 'Run `pgkeep backup` and read its output; `pgkeep jobs` shows what the schedule did.',
  },
  BACKUP_OLD: {
    meaning: 'The newest backup is older than one and a half periods of the schedule.',
    remedy: 'Run `pgkeep backup` and read its output; `pgkeep jobs` shows what the schedule did.',
  },
  BACKUP_STORAGE_UNREACHABLE: {
    meaning: 'The storage cannot be listed.',
    remedy: 'The text has the reason: a disk, a bucket, credentials.',
  },
  JOBS_UNAVAILABLE: {
    meaning: 'The schedule cannot run: the schema or a grant is missing, or no service runs it.',
    remedy:
      'Use the command or the grant in the text. Set `BACKUP_SCHEDULE=off` if something else makes the backups.',
  },
  JOB_STUCK: {
    meaning: 'A run was abandoned and not taken over, or three runs failed in a row.',
    remedy: '`pgkeep jobs` shows the errors.',
  },
} as const satisfies Record<string, CodeText>;

type Code = keyof typeof CODES;

/** Reports the check `backups` in an application's own health check. */
@Injectable()
export class BackupsHealthIndicator extends CheckHealthIndicator {
  readonly name = 'backups';
}

export const backups = defineCheck({
  name: 'backups',
  question: 'Is there a recent backup, and do the jobs run?',
  gate: 'enforce',
  codes: CODES,
  notes: `Fails in production only, and is skipped while backups are off. The newest backup of this database may be
one and a half periods of \`BACKUP_SCHEDULE\` old. A new or changed schedule has the same time to make its first
backup, so that a first deployment is not held up. Storage and history are checked apart from the evaluations, once a
minute and after each job, so a storage that hangs delays no probe.`,
  indicator: BackupsHealthIndicator,
  judge,
});

function judge(context: CheckContext): CheckOutcome<Code> {
  const {
    settings: { backup },
    facts,
    now,
  } = context;
  if (!backup.enabled) return outcomeOf('backups off', { failing: [] });
  if (!facts.backups) return outcomeInProduction(context, 'not known yet', { failing: [notKnownYet()] });
  const jobs = valueOf(facts.backups.jobs);
  const failing = [
    ...storageFindings(facts.backups, jobs, now),
    ...scheduleFindings(backup, facts.backups),
    ...(jobs ? stuckFindings(jobs) : []),
  ];
  return outcomeInProduction(context, summaryOf(facts.backups, now), { failing });
}

function storageFindings(facts: BackupFacts, jobs: JobFacts | undefined, now: Date): Finding<Code>[] {
  const { storage, periodMs } = facts;
  if ('reason' in storage) {
    return [
      { code: 'BACKUP_STORAGE_UNREACHABLE', text: `The backup storage does not answer: ${storage.reason}` },
    ];
  }
  return [...unreachableFindings(storage.value), ...ageFindings(storage.value, periodMs, jobs, now)];
}

function unreachableFindings({ unreachable }: StoredBackups): Finding<Code>[] {
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
): Finding<Code>[] {
  const limit = periodMs * PERIODS;
  const newest = newestOf(storage, now);
  const since = jobs?.registered.find(({ name }) => name === 'backup')?.since;
  // A schedule that is new has this long to make its first backup.
  const hasGrace = since !== undefined && now.getTime() - since.getTime() <= limit;
  if (hasGrace || (newest && now.getTime() - newest.getTime() <= limit)) return [];
  const due = `one is due every ${ageText(periodMs)}`;
  if (!newest) return [{ code: 'BACKUP_MISSING', text: `There is no backup - ${due}` }];
  const age = ageText(now.getTime() - newest.getTime());
  return [{ code: 'BACKUP_OLD', text: `Newest backup is ${age} old - ${due}` }];
}

function scheduleFindings({ schedule }: BackupSettings, { jobs }: BackupFacts): Finding<Code>[] {
  // With BACKUP_SCHEDULE=off something else makes the backups: only their age counts.
  if (schedule === undefined) return [];
  if ('reason' in jobs) {
    return [{ code: 'JOBS_UNAVAILABLE', text: `The backup schedule is not known: ${jobs.reason}` }];
  }
  const { ability, registered } = jobs.value;
  if (ability.kind !== 'able') {
    const { message, hint } = whyUnable(ability);
    return [{ code: 'JOBS_UNAVAILABLE', text: `The backup schedule cannot run: ${message}. ${hint}` }];
  }
  if (registered.some(({ name }) => name === 'backup')) return [];
  return [
    {
      code: 'JOBS_UNAVAILABLE',
      text: 'No service runs the backup schedule: start the service with BACKUP_ENABLED=true, or set BACKUP_SCHEDULE=off if something else makes the backups',
    },
  ];
}

function stuckFindings({ runs, askedAt }: JobFacts): Finding<Code>[] {
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
  return `is stuck: ${running.holder ?? ''} stopped renewing its lease ${ageText(silentMs)} ago, and no replica has taken over the run`;
}

function failuresText(runs: readonly JobRun[]): string | undefined {
  const ended = runs.filter(({ state }) => state !== 'running' && state !== 'skipped').slice(0, FAILURES);
  if (ended.length < FAILURES || ended.some(({ state }) => state === 'succeeded')) return undefined;
  return `failed ${FAILURES} times in a row, most recently with: ${ended[0]?.error?.message ?? 'no error recorded'}`;
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

function notKnownYet(): Finding<Code> {
  return { code: 'BACKUP_STORAGE_UNREACHABLE', text: 'The backup storage has not answered yet' };
}

/** `40 minutes`, `9 hours`, `3 days`. */
function ageText(ms: number): string {
  if (ms < 2 * HOUR_MS) return counted(Math.floor(ms / 60_000), 'minute');
  if (ms < 72 * HOUR_MS) return counted(Math.floor(ms / HOUR_MS), 'hour');
  return counted(Math.floor(ms / (24 * HOUR_MS)), 'day');
}
