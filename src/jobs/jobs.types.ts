/** Why a run began: by the schedule, late because it was missed, or because somebody asked. */
export type RunTrigger = 'schedule' | 'catch-up' | 'manual';

/**
 * `lost`: the holder vanished. `interrupted`: it was stopped in order, or lost its database. Both are taken over.
 * `skipped`: when its turn came, a run that was under way at its due time had already done its work.
 */
export type RunState = 'running' | 'succeeded' | 'failed' | 'lost' | 'interrupted' | 'skipped';

/** A run whose holder vanished so often is left alone: it may be the run that kills. */
export const MOST_LOSSES = 3;

/** A value that jsonb can hold, an object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Why a run ended badly. Holds no secret. */
export interface RunError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** One run of one job. Times are ISO 8601, by the database's clock. */
export interface JobRun {
  readonly id: string;
  readonly job: string;
  /** By the schedule; of a manual run, when it was asked for. */
  readonly dueAt: string;
  readonly trigger: RunTrigger;
  readonly state: RunState;
  /** The fencing number: each claim of this job has a greater one. Null where nobody ever held the run. */
  readonly fence: number | null;
  /** Which process holds or held it: pid@host. */
  readonly holder: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** While it runs: when its lease ends unless it is renewed. */
  readonly leaseExpiresAt: string | null;
  /** How often its holder vanished. */
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
  /** Whether the end counts as the holder's vanishing: after three of them a run is left alone. */
  readonly countsAsLoss?: boolean;
}

/** A job on the schedule. */
export interface ScheduledJob {
  readonly name: string;
  /** For people, and to notice a change: the expression and its zone, or `off`. */
  readonly schedule: string;
}
