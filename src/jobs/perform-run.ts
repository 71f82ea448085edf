import { setTimeout as sleep } from 'node:timers/promises';
import { counted } from '../core/text.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import type { JobsService } from './jobs.service.js';
import type { JobRun, JsonObject, RunError, RunOutcome } from './jobs.types.js';

const RETRY_MS = 1000;

/** How a run is held. */
export interface Holding {
  /** In ms; it is renewed three times within. */
  readonly leaseMs: number;
  /** In ms: work that takes longer is ended, and the run has failed. */
  readonly limitMs: number;
  /** Stops the work in order: the run is left to another replica, or to the next start. */
  readonly stop: AbortSignal;
}

/** What the work of a run is given. */
export interface RunContext {
  readonly run: JobRun;
  /** Aborted when the lease is lost, the time is up, or this process stops. */
  readonly signal: AbortSignal;
  /** For the moment before something that cannot be undone. @throws PgkeepError `JOB_LEASE_LOST`. */
  readonly requireLease: () => Promise<void>;
}

/**
 * Does the work of a run that this process has claimed: keeps the lease, ends the work when it is lost, and writes
 * down how it ended. Never throws for what the work does.
 */
export async function performRun(
  jobs: JobsService,
  run: JobRun,
  { leaseMs, limitMs, stop }: Holding,
  work: (context: RunContext) => Promise<JsonObject>,
): Promise<RunOutcome> {
  const over = new AbortController();
  const limit = setTimeout(() => over.abort(timeIsUp(run, limitMs)), limitMs);
  let renewedAt = performance.now();
  const requireLease = async (): Promise<void> => {
    const askedAt = performance.now();
    if (!(await jobs.renew(run, leaseMs))) throw leaseLost(run);
    renewedAt = askedAt;
  };
  const renewal = setInterval(() => {
    // By this machine's monotonic clock, in case nobody answers. The database decides, where it answers.
    if (performance.now() - renewedAt >= leaseMs) over.abort(leaseLost(run));
    requireLease().catch((error: unknown) => {
      if (error instanceof PgkeepError && error.code === 'JOB_LEASE_LOST') over.abort(error);
    });
  }, leaseMs / 3);
  let outcome: RunOutcome;
  try {
    const signal = AbortSignal.any([stop, over.signal]);
    outcome = { state: 'succeeded', result: await work({ run, signal, requireLease }) };
  } catch (error) {
    outcome = endOf(over.signal.aborted ? over.signal.reason : error, stop);
  } finally {
    clearTimeout(limit);
    clearInterval(renewal);
  }
  await finish(jobs, run, outcome, leaseMs);
  return outcome;
}

/** The database may be away just now; once the lease has ended, another replica writes the run off. */
async function finish(jobs: JobsService, run: JobRun, outcome: RunOutcome, leaseMs: number): Promise<void> {
  const since = performance.now();
  for (;;) {
    try {
      await jobs.finish(run, outcome);
      return;
    } catch {
      if (performance.now() - since > leaseMs) return;
      await sleep(RETRY_MS, undefined, { ref: false });
    }
  }
}

function endOf(error: unknown, stop: AbortSignal): RunOutcome {
  const told = toRunError(error);
  if (error instanceof PgkeepError) {
    if (error.code === 'JOB_TIME_LIMIT') return { state: 'failed', error: told };
    // Nothing is wrong with the work: it is worth another try, though not for ever.
    if (error.code === 'JOB_LEASE_LOST' || error.kind === 'unavailable') {
      return { state: 'interrupted', error: told, countsAsLoss: true };
    }
  }
  return { state: stop.aborted ? 'interrupted' : 'failed', error: told };
}

/** Without its stack and its cause: pgkeep's own messages hold no secret. */
function toRunError(error: unknown): RunError {
  if (!(error instanceof PgkeepError)) return { code: 'INTERNAL', message: messageOf(error) };
  const { code, message, hint } = error;
  return { code, message, ...(hint !== undefined && { hint }) };
}

function leaseLost({ job, holder }: JobRun): PgkeepError {
  return new PgkeepError(
    'JOB_LEASE_LOST',
    `Job ${job} was ended: ${holder ?? 'this process'} could not renew its lease in time, and another replica may have taken over.`,
    {
      hint: 'The process was stopped, or cut off from the database; JOB_LEASE_SECONDS is how long it may be.',
    },
  );
}

function timeIsUp({ job }: JobRun, limitMs: number): PgkeepError {
  return new PgkeepError(
    'JOB_TIME_LIMIT',
    `Job ${job} was ended: it took longer than ${counted(Math.round(limitMs / 60_000), 'minute')}.`,
    { hint: 'Find out what it waited for: a lock, a slow disk, a network that hangs.' },
  );
}
