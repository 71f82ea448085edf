import { setTimeout as sleep } from 'node:timers/promises';
import { counted } from '../core/text.js';
import { type ErrorCode, messageOf, PgkeepError } from '../core/errors.js';
import type { JobsService } from './jobs.service.js';
import type { JobRun, JsonObject, RunError, RunOutcome } from './jobs.types.js';

const RETRY_MS = 1000;

/** How a run is held. */
export interface Holding {
  /** In ms. The lease is renewed three times as often. */
  readonly leaseMs: number;
  /** In ms. Work that takes longer is ended, and the run has failed. */
  readonly limitMs: number;
  /** Stops the work because the process shuts down: another replica, or the next start, takes over the run. */
  readonly stop: AbortSignal;
}

/** What the work of a run receives. */
export interface RunContext {
  readonly run: JobRun;
  /** Aborted when the lease is lost, the time is up, or this process stops. */
  readonly signal: AbortSignal;
  /** Renews the lease: call it immediately before something that cannot be undone. @throws PgkeepError `JOB_LEASE_LOST`. */
  readonly requireLease: () => Promise<void>;
}

/**
 * Does the work of a run that this process has claimed: renews the lease, ends the work when the lease is lost, and
 * records how the run ended. Never throws for what the work does.
 */
export async function performRun(
  jobs: JobsService,
  run: JobRun,
  { leaseMs, limitMs, stop }: Holding,
  work: (context: RunContext) => Promise<JsonObject>,
): Promise<RunOutcome> {
  const over = new AbortController();
  const limit = setTimeout(() => over.abort(limitExceeded(run, limitMs)), limitMs);
  let renewedAt = performance.now();
  const requireLease = async (): Promise<void> => {
    const askedAt = performance.now();
    if (!(await jobs.renew(run, leaseMs))) throw leaseLost(run);
    renewedAt = askedAt;
  };
  const renewal = setInterval(() => {
    // Where the database does not answer, this machine's monotonic clock decides.
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

/** Records the end of a run. Tries again while the database does not answer, until the lease has expired. */
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
  const runError = toRunError(error);
  if (error instanceof PgkeepError) {
    if (error.code === 'JOB_TIME_LIMIT') return { state: 'failed', error: runError };
    // The work itself is not at fault: it is tried again, but not without limit.
    if (isLoss(error)) {
      return { state: 'interrupted', error: runError, countsAsLoss: true };
    }
  }
  return { state: stop.aborted ? 'interrupted' : 'failed', error: runError };
}

/** Whether the run is tried again: its process, its lease or its database was lost. */
function isLoss({ code, kind }: PgkeepError): boolean {
  return code === 'JOB_LEASE_LOST' || code === 'JOB_PROCESS_ENDED' || kind === 'unavailable';
}

/** Returns an error without its stack and its cause: pgkeep's own messages hold no secret. */
export function toRunError(error: unknown): RunError & { readonly code: ErrorCode } {
  if (!(error instanceof PgkeepError)) return { code: 'INTERNAL', message: messageOf(error) };
  const { code, message, hint } = error;
  return { code, message, ...(hint !== undefined && { hint }) };
}

function leaseLost({ job, holder }: JobRun): PgkeepError {
  return new PgkeepError(
    'JOB_LEASE_LOST',
    `Job ${job} was stopped: ${holder ?? 'this process'} did not renew its lease in time. Another replica may have taken over the run.`,
    {
      hint: 'The process was paused, or had no connection to the database, for longer than JOB_LEASE_SECONDS.',
    },
  );
}

function limitExceeded({ job }: JobRun, limitMs: number): PgkeepError {
  return new PgkeepError(
    'JOB_TIME_LIMIT',
    `Job ${job} was stopped: it took longer than ${counted(Math.round(limitMs / 60_000), 'minute')}.`,
    { hint: 'Find out what it waited for: a lock, a slow disk, a network that hangs.' },
  );
}
