import { hostname, userInfo } from 'node:os';
import { type ClientBase, escapeIdentifier } from 'pg';
import { PgkeepError } from '../core/errors.js';
import { mayInsert, type ReadTimeouts } from '../postgres/read.js';
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
 * Returns a FROM item with the columns of a table, and `action` beside them, in this schema and in that of earlier
 * versions: a column that the table does not have is found in `absent`, where it is NULL.
 */
export function withAction(table: string, columns: string, alias: string): string {
  return `
  (VALUES (NULL::text, NULL::text)) absent (action, deed)
  CROSS JOIN LATERAL (
    SELECT ${columns}, coalesce(action, deed) AS action FROM ${table}) ${alias}`;
}

/** The entries of the audit log, as a FROM item. */
export const ENTRIES = withAction(
  'pgkeep.change_log',
  'seq, recorded_at, subject, details, role, actor, previous_hash, hash',
  'entry',
);

/** Returns the user of the operating system who runs a command: `user@host`. */
export function operator(): string {
  return `${userName()}@${hostname()}`;
}

/** Returns the service as an actor, with the host that distinguishes its replicas: `service@host`. */
export function service(): string {
  return `service@${hostname()}`;
}

/** Returns the user's name, or the number: in a container a user often has no name, and Node.js throws. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Whether this role may record an action: checked before an action that must not go unrecorded. */
export type RecordingAbility = 'allowed' | 'denied' | 'not-installed';

/** Reads whether the current role may record an action. @throws what the connection throws. */
export async function mayRecord(client: ClientBase, timeouts: ReadTimeouts): Promise<RecordingAbility> {
  const allowed = await mayInsert(client, { schema: 'pgkeep', table: 'change_log' }, timeouts);
  if (allowed === undefined) return 'not-installed';
  return allowed ? 'allowed' : 'denied';
}

/** Returns the error of an action that may not be recorded; `operation` completes "Cannot …". */
export function recordingDenied(operation: string, role: string): PgkeepError {
  return new PgkeepError(
    'DATABASE_PERMISSION_DENIED',
    `Cannot ${operation}: role "${role}" lacks INSERT on pgkeep.change_log, which must record every action.`,
    {
      hint: `Run the command as the owner of schema pgkeep, or grant: GRANT INSERT ON pgkeep.change_log TO ${escapeIdentifier(role)};`,
    },
  );
}
