import { escapeIdentifier, type ClientBase } from 'pg';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { KeepError } from '../core/errors.js';

/** Whether this role may record a deed; asked before the deed is done, which must not go unrecorded. */
export type RecordingAbility = 'allowed' | 'denied' | 'not-installed';

/** @throws what the connection throws. */
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

/** The error of a deed that may not be recorded; `operation` completes "Cannot …". */
export function recordingDenied(operation: string, role: string): KeepError {
  return new KeepError(
    'DATABASE_PERMISSION_DENIED',
    `Cannot ${operation}: role "${role}" may not record it in pgkeep.change_log.`,
    {
      hint: `Run it as the owner of schema pgkeep, or give the grant: GRANT INSERT ON pgkeep.change_log TO ${escapeIdentifier(role)};`,
    },
  );
}
