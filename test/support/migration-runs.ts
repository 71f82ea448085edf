import { query } from './clinic.js';

/** What follows the plan: the message of a failed deploy or resolve. */
export function failureOf(stderr: string): string {
  return stderr.slice(stderr.search(/^(?:Refused|Migration|The connection was lost) /m));
}

/** The newest row of the history. */
export async function newestAttempt(url: string): Promise<unknown> {
  const { rows } = await query(
    url,
    `SELECT migration_name AS name, finished_at IS NOT NULL AS finished, applied_steps_count AS steps, logs
       FROM public._prisma_migrations ORDER BY started_at DESC LIMIT 1`,
  );
  return rows[0];
}

/** Whether a session of this database is in `pg_sleep`. */
export async function sleepsIn(url: string): Promise<boolean> {
  const { rows } = await query(
    url,
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
  );
  return rows.length > 0;
}

/** Ends the sessions of this database that are in `pg_sleep`: a killed client leaves them running. */
export async function endSleepers(url: string): Promise<void> {
  await query(
    url,
    `SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event = 'PgSleep'`,
  );
}
