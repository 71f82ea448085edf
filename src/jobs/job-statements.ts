import {
  type Claim,
  type JobRun,
  type JsonObject,
  MOST_LOSSES,
  type RunOutcome,
  type RunTrigger,
} from './jobs.types.js';

/**
 * A statement of exactly-once runs, as a pure plan. Each is a single statement, so that it is atomic behind a transaction
 * pooler. Every time in it is the database's, so a machine whose clock is wrong decides nothing.
 */
export interface StatementPlan {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** This many runs of each job are kept. */
const HISTORY = 500;

const LEASE = `pg_catalog.now() + pg_catalog.make_interval(secs => $3::float8 / 1000)`;
const NEXT_FENCE = `1 + coalesce((SELECT pg_catalog.max(fence) FROM pgkeep.job_run WHERE job = $1), 0)`;

/** Whether the server was restarted during a run that failed. */
const SERVER_RESTARTED = `$3 = 'failed' AND pg_catalog.pg_postmaster_start_time() > started_at`;

/** The columns of a run, as `toRun()` reads them. */
const RUN = `id, job, due_at, trigger, state, fence::float8 AS fence, holder, started_at, finished_at,
             CASE WHEN state = 'running' THEN lease_expires_at END AS lease_expires_at,
             losses, parameters, result, error`;

/** Reads the database's clock, and whether this role can run jobs here. One row, whatever is installed. */
export const ABILITY: StatementPlan = {
  sql: `
  SELECT pg_catalog.now() AS now, current_user::text AS role, pg_catalog.count(c.oid) = 2 AS installed,
         coalesce(pg_catalog.bool_and(pg_catalog.has_table_privilege(c.oid, 'INSERT')
           AND pg_catalog.has_table_privilege(c.oid, 'UPDATE')
           AND pg_catalog.has_table_privilege(c.oid, 'DELETE')), false) AS allowed
    FROM (VALUES ('job'), ('job_run')) wanted (name)
    LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'pgkeep')
      ON c.relname = wanted.name AND c.relkind = 'r'`,
  values: [],
};

/** Reads the jobs on the schedule. */
export const REGISTERED: StatementPlan = {
  sql: 'SELECT name, schedule, since FROM pgkeep.job ORDER BY name',
  values: [],
};

/** Puts a job on the schedule. A job whose schedule changed counts as new. */
export function registerPlan(name: string, schedule: string): StatementPlan {
  return {
    sql: `INSERT INTO pgkeep.job (name, schedule) VALUES ($1, $2)
          ON CONFLICT (name) DO UPDATE SET schedule = EXCLUDED.schedule, since = pg_catalog.now()
                                     WHERE job.schedule <> EXCLUDED.schedule`,
    values: [name, schedule],
  };
}

/** Marks the run whose lease has expired as lost. */
export function markLostPlan(job: string): StatementPlan {
  return {
    sql: `UPDATE pgkeep.job_run
             SET state = 'lost', finished_at = pg_catalog.now(), losses = losses + 1,
                 error = pg_catalog.jsonb_build_object('code', 'JOB_LEASE_LOST', 'message', holder || ' did not renew its lease: it was killed, or cut off.')
           WHERE job = $1 AND state = 'running' AND lease_expires_at < pg_catalog.now()
          RETURNING ${RUN}`,
    values: [job],
  };
}

/**
 * Takes over the job's newest run where it was not finished, unless a later due time has come since.
 * @param due the latest due time of the schedule; undefined where there is no schedule
 */
export function takeOverPlan({ job, holder, leaseMs }: Claim, due: Date | undefined): StatementPlan {
  return {
    sql: `UPDATE pgkeep.job_run
             SET state = 'running', fence = ${NEXT_FENCE}, holder = $2, lease_expires_at = ${LEASE},
                 started_at = pg_catalog.now(), finished_at = NULL, error = NULL
           WHERE id = (SELECT id FROM pgkeep.job_run WHERE job = $1 AND state <> 'skipped' ORDER BY due_at DESC LIMIT 1)
             AND state IN ('lost', 'interrupted') AND losses < ${MOST_LOSSES}
             AND due_at >= coalesce($4::timestamptz, '-infinity')
             AND NOT EXISTS (SELECT FROM pgkeep.job_run WHERE job = $1 AND state = 'running')
          RETURNING ${RUN}`,
    values: [job, holder, leaseMs, due?.toISOString() ?? null],
  };
}

/** Records a due time as skipped: a run that was active then, and succeeded, has done its work. */
export function skipPlan(job: string, due: Date): StatementPlan {
  return {
    sql: `INSERT INTO pgkeep.job_run (job, due_at, trigger, state, finished_at, result)
          SELECT $1, $2, 'schedule', 'skipped', pg_catalog.now(), pg_catalog.jsonb_build_object('doneBy', id)
            FROM pgkeep.job_run
           WHERE job = $1 AND state = 'succeeded' AND started_at <= $2 AND finished_at >= $2 AND due_at <> $2
           ORDER BY fence DESC LIMIT 1
          ON CONFLICT DO NOTHING
          RETURNING ${RUN}`,
    values: [job, due.toISOString()],
  };
}

/** Claims a due time. Returns no row where it is claimed already, is not due yet, or another run of the job is active. */
export function claimPlan({ job, holder, leaseMs }: Claim, due: Date, trigger: RunTrigger): StatementPlan {
  return {
    sql: `INSERT INTO pgkeep.job_run (job, due_at, trigger, state, fence, holder, lease_expires_at, started_at)
          SELECT $1, $4, $5, 'running', ${NEXT_FENCE}, $2, ${LEASE}, pg_catalog.now()
            FROM pgkeep.job
           WHERE name = $1 AND $4::timestamptz BETWEEN since AND pg_catalog.now()
          ON CONFLICT DO NOTHING
          RETURNING ${RUN}`,
    values: [job, holder, leaseMs, due.toISOString(), trigger],
  };
}

/** Starts a run now. Returns no row where one is active. */
export function beginPlan(
  { job, holder, leaseMs }: Claim,
  trigger: RunTrigger,
  parameters: JsonObject,
): StatementPlan {
  return {
    sql: `INSERT INTO pgkeep.job_run (job, due_at, trigger, state, fence, holder, lease_expires_at, started_at, parameters)
          VALUES ($1, pg_catalog.now(), $4, 'running', ${NEXT_FENCE}, $2, ${LEASE}, pg_catalog.now(), $5::jsonb)
          ON CONFLICT DO NOTHING
          RETURNING ${RUN}`,
    values: [job, holder, leaseMs, trigger, JSON.stringify(parameters)],
  };
}

/** Renews a lease. Returns no row where it has expired, or where the run has another holder by now. */
export function renewPlan(id: string, fence: number | null, leaseMs: number): StatementPlan {
  return {
    sql: `UPDATE pgkeep.job_run SET lease_expires_at = ${LEASE}
           WHERE id = $1 AND fence = $2 AND state = 'running' AND lease_expires_at > pg_catalog.now()
          RETURNING id`,
    values: [id, fence, leaseMs],
  };
}

/**
 * Records how a run ended. Returns no row where it has another holder by now. A run that failed while the server was
 * restarted counts as interrupted, whatever its error was, and is tried again.
 */
export function finishPlan(id: string, fence: number | null, outcome: RunOutcome): StatementPlan {
  const { state, result, error, countsAsLoss = false } = outcome;
  return {
    sql: `UPDATE pgkeep.job_run
             SET state = CASE WHEN ${SERVER_RESTARTED} THEN 'interrupted' ELSE $3 END,
                 losses = losses + CASE WHEN ${SERVER_RESTARTED} THEN 1 ELSE $6 END,
                 finished_at = pg_catalog.now(), result = $4::jsonb, error = $5::jsonb
           WHERE id = $1 AND fence = $2 AND state = 'running'
          RETURNING id`,
    values: [
      id,
      fence,
      state,
      result ? JSON.stringify(result) : null,
      error ? JSON.stringify(error) : null,
      countsAsLoss ? 1 : 0,
    ],
  };
}

/** Deletes all but the newest runs of a job. */
export function deleteOldPlan(job: string): StatementPlan {
  return {
    sql: `DELETE FROM pgkeep.job_run
           WHERE job = $1 AND state <> 'running'
             AND due_at < (SELECT due_at FROM pgkeep.job_run WHERE job = $1 ORDER BY due_at DESC OFFSET ${HISTORY - 1} LIMIT 1)`,
    values: [job],
  };
}

/** Reads the newest runs of one job, or of each. */
export function listPlan(limit: number, job: string | undefined): StatementPlan {
  return {
    sql: `SELECT ${RUN}
            FROM (SELECT *, pg_catalog.row_number() OVER (PARTITION BY job ORDER BY due_at DESC) AS nth
                    FROM pgkeep.job_run WHERE job = coalesce($2, job)) numbered
           WHERE nth <= $1 ORDER BY job, due_at DESC`,
    values: [limit, job ?? null],
  };
}

/** Reads one run by its id, whatever text that is. */
export function findPlan(id: string): StatementPlan {
  return { sql: `SELECT ${RUN} FROM pgkeep.job_run WHERE id::text = $1`, values: [id] };
}

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
