import type { ClientBase } from 'pg';
import { ENVIRONMENTS } from '../config/settings.js';
import { errorCode } from '../core/errors.js';
import { currentRole } from '../postgres/current-role.js';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { tableExists } from '../postgres/table-exists.js';
import type { DatabaseIdentity, StampReading } from './environment.types.js';

/** Asks who the database is. Undefined where the role may not execute `pg_control_system()`. */
export async function readIdentity(
  client: ClientBase,
  timeouts: ReadTimeouts,
): Promise<DatabaseIdentity | undefined> {
  try {
    const rows = await read<{ system_identifier: string; database_oid: string }>(client, {
      sql: `SELECT s.system_identifier::text, d.oid::text AS database_oid
              FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d
             WHERE d.datname = pg_catalog.current_database()`,
      ...timeouts,
    });
    const row = rows[0];
    return row && { systemIdentifier: row.system_identifier, databaseOid: row.database_oid };
  } catch (error) {
    if (errorCode(error) === '42501') return undefined;
    throw error;
  }
}

/** Reads the stamp. @throws what the connection throws; a missing table or grant is a reading, not an error. */
export async function readStamp(client: ClientBase, timeouts: ReadTimeouts): Promise<StampReading> {
  const isInstalled = await tableExists(
    client,
    { schema: 'pgkeep', table: 'database_environment' },
    timeouts,
  );
  if (!isInstalled) return { kind: 'not-installed' };
  try {
    const rows = await read<{
      environment: string;
      system_identifier: string;
      database_oid: string;
      stamped_at: Date;
      stamped_by: string;
    }>(client, {
      sql: `SELECT environment, system_identifier, database_oid::text, stamped_at, stamped_by
              FROM pgkeep.database_environment`,
      ...timeouts,
    });
    const row = rows[0];
    const environment = ENVIRONMENTS.find((name) => name === row?.environment);
    if (!row || !environment) return { kind: 'unstamped' };
    return {
      kind: 'stamped',
      stamp: {
        environment,
        systemIdentifier: row.system_identifier,
        databaseOid: row.database_oid,
        stampedAt: row.stamped_at,
        stampedBy: row.stamped_by,
      },
    };
  } catch (error) {
    if (errorCode(error) === '42501')
      return { kind: 'unreadable', role: await currentRole(client, timeouts) };
    throw error;
  }
}
