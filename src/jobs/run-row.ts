import type { JobRun } from './jobs.types.js';

/** A row of `pgkeep.job_run`, as the statements return it. */
export interface RunRow extends Omit<JobRun, 'dueAt' | 'startedAt' | 'finishedAt' | 'leaseExpiresAt'> {
  readonly due_at: Date;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly lease_expires_at: Date | null;
}

export function toRun(row: RunRow): JobRun {
  const { id, job, trigger, state, fence, holder, losses, parameters, result, error } = row;
  return {
    id,
    job,
    dueAt: row.due_at.toISOString(),
    trigger,
    state,
    fence,
    holder,
    startedAt: row.started_at?.toISOString() ?? null,
    finishedAt: row.finished_at?.toISOString() ?? null,
    leaseExpiresAt: row.lease_expires_at?.toISOString() ?? null,
    losses,
    parameters,
    result,
    error,
  };
}
