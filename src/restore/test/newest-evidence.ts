import type { ClientBase } from 'pg';
import { read, type ReadTimeouts, tableExists } from '../../postgres/read.js';

/** SQL of what a kept evidence says that the backup did not hold, as `text[]`; empty in evidence of earlier versions. */
export const WITHOUT_OF_EVIDENCE = `ARRAY(
  SELECT pg_catalog.jsonb_array_elements_text(
           CASE pg_catalog.jsonb_typeof(evidence->'without') WHEN 'array' THEN evidence->'without' ELSE '[]' END))`;

/** One restore test, for the readiness check. */
export interface NewestEvidence {
  readonly backup: string;
  readonly verdict: 'passed' | 'failed';
  /** What the backup does not contain of the database. Defaults to nothing. */
  readonly without?: readonly string[];
  readonly finishedAt: Date;
}

/** The newest restore test, and the newest one that passed. */
export interface NewestEvidences {
  readonly newest: NewestEvidence | undefined;
  readonly newestPassed: NewestEvidence | undefined;
}

/**
 * Reads the newest evidence of the environment that the database is stamped for: evidence that was restored with another
 * environment's backup does not count. Needs no privileges beyond those of the readiness checks.
 * @returns undefined if the table is missing: pgkeep, or its current version, is not installed.
 * @throws the server's error.
 */
export async function readNewestEvidence(
  client: ClientBase,
  timeouts: ReadTimeouts,
): Promise<NewestEvidences | undefined> {
  if (!(await tableExists(client, { schema: 'pgkeep', table: 'restore_test' }, timeouts))) return undefined;
  const rows = await read<NewestEvidence>(client, {
    sql: `SELECT newest.backup, newest.verdict, newest.without, newest.finished_at AS "finishedAt"
            FROM (VALUES ('passed'), ('failed')) known (verdict),
                 LATERAL (SELECT t.backup, t.verdict, ${WITHOUT_OF_EVIDENCE} AS without, t.finished_at
                            FROM pgkeep.restore_test t
                           WHERE t.verdict = known.verdict
                             AND t.environment = coalesce(
                                   (SELECT e.environment FROM pgkeep.database_environment e), t.environment)
                           ORDER BY t.finished_at DESC LIMIT 1) newest
           ORDER BY newest.finished_at DESC`,
    ...timeouts,
  });
  return { newest: rows[0], newestPassed: rows.find(({ verdict }) => verdict === 'passed') };
}
