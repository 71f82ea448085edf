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
  readonly statements_version: string | null;
  readonly has_records: boolean;
  readonly keeps_records: boolean;
  readonly now: Date;
}

/** What the statements of probes depend on, and what a report names. */
export interface ServerDescription extends ServerContext {
  /** `15.18` */
  readonly version: string;
  readonly database: string;
  /** Whether schema pgkeep is installed, and this role can write what monitoring keeps there. */
  readonly keepsRecords: boolean;
  /** The database's clock. */
  readonly now: Date;
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
    statementsVersion: versionNumberOf(row.statements_version ?? '0'),
    hasRecords: row.has_records,
    keepsRecords: row.keeps_records,
    now: row.now,
  };
}

/** Returns `1.10` as 110. */
function versionNumberOf(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major * 100 + minor;
}

/** The tables that monitoring writes. */
const RECORDS = ['lease', 'sample', 'monitoring_report', 'table_size', 'index_scans'];

const SERVER_QUERY = `
  SELECT pg_catalog.current_setting('server_version_num')::int AS version_number,
         pg_catalog.current_setting('server_version') AS version,
         pg_catalog.current_database()::text AS database, pg_catalog.pg_is_in_recovery() AS in_recovery,
         current_user::text AS role, pg_catalog.now() AS now,
         pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
         (SELECT n.nspname::text FROM pg_catalog.pg_extension e
            JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
           WHERE e.extname = 'pg_stat_statements') AS statements_schema,
         (SELECT e.extversion FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_stat_statements') AS statements_version,
         (SELECT pg_catalog.count(*) = 3 AND pg_catalog.bool_and(pg_catalog.has_table_privilege(c.oid, 'SELECT')
                   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'))
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = 'pgkeep' AND c.relname IN ('sample', 'table_size', 'index_scans')) AS has_records,
         NOT pg_catalog.pg_is_in_recovery() AND (
           SELECT pg_catalog.count(*) = ${RECORDS.length} AND coalesce(pg_catalog.bool_and(
                    pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
                    AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') AND pg_catalog.has_table_privilege(c.oid, 'DELETE')), false)
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'pgkeep' AND c.relname = ANY ('{${RECORDS.join(',')}}')) AS keeps_records`;
