import type { ClientBase } from 'pg';
import { readOne, type ReadTimeouts } from '../postgres/read.js';
import type { ServerContext } from './probe.js';

interface Row {
  readonly version_number: number;
  readonly version: string;
  readonly database: string;
  readonly in_recovery: boolean;
  readonly role: string;
  readonly sees_all: boolean;
  readonly statements_schema: string | null;
}

/** What the statements of probes depend on, and what a report names. */
export interface ServerDescription extends ServerContext {
  /** `15.18` */
  readonly version: string;
  readonly database: string;
}

/** Reads what the statements of probes depend on. @throws what the connection throws. */
export async function describeServer(client: ClientBase, timeouts: ReadTimeouts): Promise<ServerDescription> {
  const row = await readOne<Row>(client, { sql: SERVER_QUERY, ...timeouts });
  return {
    versionNumber: row.version_number,
    version: row.version.split(' ')[0] ?? row.version,
    database: row.database,
    inRecovery: row.in_recovery,
    role: row.role,
    seesAll: row.sees_all,
    statementsSchema: row.statements_schema,
  };
}

const SERVER_QUERY = `
  SELECT pg_catalog.current_setting('server_version_num')::int AS version_number,
         pg_catalog.current_setting('server_version') AS version,
         pg_catalog.current_database()::text AS database, pg_catalog.pg_is_in_recovery() AS in_recovery,
         current_user::text AS role,
         pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
         (SELECT n.nspname::text FROM pg_catalog.pg_extension e
            JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
           WHERE e.extname = 'pg_stat_statements') AS statements_schema`;
