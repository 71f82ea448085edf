import type { NewEntry } from './audit-log.types.js';

/** An INSERT as a pure plan, for the transaction in which the action itself is done. */
export interface AppendPlan {
  readonly sql: string;
  readonly values: readonly string[];
}

/**
 * Returns the statement that records an action. The database sets number, time, role and hash. Make it the last
 * statement of its transaction: from here to the commit every other writer waits.
 *
 * It fits the schema of earlier versions too, in which the column `action` was called `deed`: until `pgkeep install`
 * has updated the schema, nothing goes unrecorded.
 */
export function appendPlan({ action, subject, details, actor }: NewEntry): AppendPlan {
  return {
    sql: `INSERT INTO pgkeep.change_log
          SELECT entry.* FROM pg_catalog.jsonb_populate_record(NULL::pgkeep.change_log, pg_catalog.jsonb_build_object(
            'action', $1::text, 'deed', $1::text, 'subject', $2::text, 'details', $3::jsonb, 'actor', $4::text)) entry`,
    values: [action, subject, JSON.stringify(details), actor],
  };
}

/**
 * The entries of the audit log, by the same column names in this schema and in that of earlier versions: a column
 * that the table does not have is found in `absent`, where it is NULL.
 */
export const ENTRIES = `
  (VALUES (NULL::text, NULL::text)) absent (action, deed)
  CROSS JOIN LATERAL (
    SELECT seq, recorded_at, coalesce(action, deed) AS action, subject, details, role, actor, previous_hash, hash
      FROM pgkeep.change_log) entry`;
