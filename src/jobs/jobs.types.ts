import { escapeIdentifier } from 'pg';
import { PgkeepError } from '../core/errors.js';

/** Why a run started: by the schedule, late because it was missed, or by hand. */
export type RunTrigger = 'schedule' | 'catch-up' | 'manual';

/**
 * `lost`: the holder stopped renewing its lease. `interrupted`: the run was stopped by a shutdown, or lost its database.
 * Both are taken over. `skipped`: a run that was active at the due time had done its work already.
 */
export type RunState = 'running' | 'succeeded' | 'failed' | 'lost' | 'interrupted' | 'skipped';

/** A run that was lost this often is not tried again: it may be what ends the process. */
export const MOST_LOSSES = 3;

/** A value that jsonb can hold, an object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Why a run failed. Holds no secret. */
export interface RunError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** One run of one job. Times are ISO 8601, by the database's clock. */
export interface JobRun {
  readonly id: string;
  readonly job: string;
  /** By the schedule; of a manual run, when it was requested. */
  readonly dueAt: string;
  readonly trigger: RunTrigger;
  readonly state: RunState;
  /** The fencing number: each claim of this job has a greater one. Null where the run never had a holder. */
  readonly fence: number | null;
  /** Which process holds or held it: pid@host. */
  readonly holder: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** While it runs: when its lease expires unless it is renewed. */
  readonly leaseExpiresAt: string | null;
  /** How often its holder stopped renewing its lease. */
  readonly losses: number;
  readonly parameters: JsonObject;
  readonly result: JsonObject | null;
  readonly error: RunError | null;
}

/** What a replica asks for when it claims a run. */
export interface Claim {
  readonly job: string;
  readonly holder: string;
  /** How long the run is this holder's unless it is renewed, in ms. */
  readonly leaseMs: number;
}

/** How a run ended. */
export interface RunOutcome {
  readonly state: Extract<RunState, 'succeeded' | 'failed' | 'interrupted'>;
  readonly result?: JsonObject;
  readonly error?: RunError;
  /** Whether the end counts as a loss: after three of them a run is not tried again. */
  readonly countsAsLoss?: boolean;
}

/** A job on the schedule. */
export interface ScheduledJob {
  readonly name: string;
  /** The expression and its time zone, or `off`; for people, and to notice a change. */
  readonly schedule: string;
}

/** Whether this role can run jobs in this database. */
export type JobsAbility =
  | { readonly kind: 'able' }
  | { readonly kind: 'not-installed' }
  /** The role may not write the tables. */
  | { readonly kind: 'denied'; readonly role: string };

type Inability = Exclude<JobsAbility, { kind: 'able' }>;

/** Makes the error for a database in which jobs cannot run. @param operation completes "Cannot …" */
export function unableError(operation: string, ability: Inability): PgkeepError {
  const { message, hint } = whyUnable(ability);
  const code = ability.kind === 'not-installed' ? 'NOT_INSTALLED' : 'DATABASE_PERMISSION_DENIED';
  return new PgkeepError(code, `Cannot ${operation}: ${message}.`, { hint });
}

/** Explains why jobs cannot run: the end of a sentence, and the next step. */
export function whyUnable(ability: Inability): { message: string; hint: string } {
  if (ability.kind === 'not-installed') {
    return {
      message: 'the database has no tables pgkeep.job and pgkeep.job_run',
      hint: 'Run `pgkeep install`.',
    };
  }
  const role = escapeIdentifier(ability.role);
  return {
    message: `role ${role} may not write pgkeep.job and pgkeep.job_run`,
    hint: `Run as the owner of the schema: GRANT SELECT, INSERT, UPDATE, DELETE ON pgkeep.job, pgkeep.job_run TO ${role};`,
  };
}
