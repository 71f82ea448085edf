import { type JobRun, MOST_LOSSES } from '../jobs/jobs.types.js';

/** A due time that is claimed later than this was missed: its run is a catch-up. */
export const LATE_MS = 60_000;

/** What is known of one job. Every time is the database's. */
export interface JobSituation {
  readonly now: Date;
  /** The latest due time of its schedule; undefined without one. */
  readonly due: Date | undefined;
  /** Since when it has this schedule; undefined where no service has recorded one yet. */
  readonly since: Date | undefined;
  /** Its newest runs, by due time. */
  readonly runs: readonly JobRun[];
}

/** What to do about a job. */
export type NextStep =
  | { readonly kind: 'wait' }
  /** The lease of the active run has expired. */
  | { readonly kind: 'mark-lost' }
  /** The newest run was not finished. */
  | { readonly kind: 'take-over' }
  | { readonly kind: 'claim'; readonly due: Date; readonly isLate: boolean };

const WAIT: NextStep = { kind: 'wait' };

/**
 * Decides what to do about a job now. Pure. Of several missed due times only the latest is caught up, and none from
 * before the job had this schedule. The statements that follow check all of it again in the database.
 */
export function nextStep({ now, due, since, runs }: JobSituation): NextStep {
  const running = runs.find(({ state }) => state === 'running');
  if (running) return isExpired(running, now) ? { kind: 'mark-lost' } : WAIT;
  const newest = runs.find(({ state }) => state !== 'skipped');
  const isCurrent = newest && (!due || new Date(newest.dueAt) >= due);
  if (newest && isCurrent && isAbandoned(newest)) return { kind: 'take-over' };
  if (!due || !since || due < since || runs.some(({ dueAt }) => dueAt === due.toISOString())) return WAIT;
  return { kind: 'claim', due, isLate: now.getTime() - due.getTime() > LATE_MS };
}

/** A catch-up begins within a minute of the service's start; longer than this without a run, no service is there. */
const OVERDUE_MS = 300_000;

/** Returns since when a run is overdue that any service would have begun or taken over; null where none is. Pure. */
export function overdueSince(situation: JobSituation): string | null {
  const since = waitingSince(situation);
  if (since === undefined || situation.now.getTime() - since.getTime() <= OVERDUE_MS) return null;
  return since.toISOString();
}

/** Since when there is something to do about a job. */
function waitingSince(situation: JobSituation): Date | undefined {
  const step = nextStep(situation);
  if (step.kind === 'claim') return step.due;
  const newest = situation.runs.find(({ state }) => state !== 'skipped');
  const ended = step.kind === 'mark-lost' ? newest?.leaseExpiresAt : newest?.finishedAt;
  return step.kind === 'wait' || typeof ended !== 'string' ? undefined : new Date(ended);
}

function isExpired({ leaseExpiresAt }: JobRun, now: Date): boolean {
  return leaseExpiresAt !== null && new Date(leaseExpiresAt) < now;
}

function isAbandoned({ state, losses }: JobRun): boolean {
  return (state === 'lost' || state === 'interrupted') && losses < MOST_LOSSES;
}
