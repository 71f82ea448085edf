import { escapeIdentifier, type ClientBase } from 'pg';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { PgkeepError } from '../core/errors.js';

/** Whether this role may record an action: checked before an action that must not go unrecorded. */
export type RecordingAbility = 'allowed' | 'denied' | 'not-installed';

/** Reads whether the current role may record an action. @throws what the connection throws. */
export async function mayRecord(client: ClientBase, timeouts: ReadTimeouts): Promise<RecordingAbility> {
  const rows = await read<{ allowed: boolean }>(client, {
    sql: `SELECT pg_catalog.has_table_privilege(c.oid, 'INSERT') AS allowed
            FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = 'pgkeep' AND c.relname = 'change_log'`,
    ...timeouts,
  });
  if (!rows[0]) return 'not-installed';
  return rows[0].allowed ? 'allowed' : 'denied';
}

/** Returns the error of an action that may not be recorded; `operation` completes "Cannot …". */
export function recordingDenied(operation: string, role: string): PgkeepError {
  return new PgkeepError(
    'DATABASE_PERMISSION_DENIED',
    `Cannot ${operation}: role "${role}" lacks INSERT on pgkeep.change_log, and an action that is not recorded is not done.`,
    {
      hint: `Run the command as the owner of schema pgkeep, or grant: GRANT INSERT ON pgkeep.change_log TO ${escapeIdentifier(role)};`,
    },
  );
}
