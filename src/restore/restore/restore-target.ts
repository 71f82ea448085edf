import type { Client } from 'pg';
import type { DatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { errorCode } from '../../core/errors.js';
import type { ConnectionOptions } from '../../postgres/candidate-client.js';
import { withConnection } from '../../postgres/connect.js';
import { queryOne } from '../../postgres/read.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';

/** The database that a restore replaces, and the abilities of the restoring role. */
export interface RestoreTarget {
  readonly database: string;
  /** Undefined if there is no database of that name: the restore creates it. */
  readonly oid: string | undefined;
  readonly owner: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly role: string;
  readonly isSuperuser: boolean;
  readonly mayCreate: boolean;
  readonly ownsTarget: boolean;
  readonly serverVersion: string;
  readonly systemIdentifier: string | null;
}

/** Databases that every PostgreSQL server has; a restore renames databases from one of them. */
const MAINTENANCE_DATABASES = ['postgres', 'template1'];

/** invalid_catalog_name and insufficient_privilege: the database does not exist, or the role lacks CONNECT. */
const ABSENT = new Set<string>([SQLSTATE.invalidCatalogName, SQLSTATE.insufficientPrivilege]);

/** Returns the options of a restore's connections, which wait as long as a statement takes. */
export function restoreConnection({ database }: Pick<Settings, 'database'>): ConnectionOptions {
  const { connectTimeoutMs } = database;
  return { connectTimeoutMs, answerTimeoutMs: 0, applicationName: 'pgkeep restore' };
}

/** Reads the target on a connection to another database of its server. */
export async function readTarget(client: Client, database: string): Promise<RestoreTarget> {
  const row = await queryOne<
    Omit<RestoreTarget, 'systemIdentifier' | 'sizeBytes'> & { bytes: string | null }
  >(
    client,
    `SELECT $1 AS database, d.oid::text AS oid, pg_catalog.pg_get_userbyid(d.datdba)::text AS owner,
            CASE WHEN d.oid IS NOT NULL AND (pg_catalog.has_database_privilege(d.oid, 'CONNECT')
                      OR pg_catalog.pg_has_role('pg_read_all_stats', 'MEMBER'))
                 THEN pg_catalog.pg_database_size(d.oid)::text END AS bytes,
            current_user::text AS role, r.rolsuper AS "isSuperuser", r.rolsuper OR r.rolcreatedb AS "mayCreate",
            coalesce(pg_catalog.pg_has_role(d.datdba, 'USAGE'), true) AS "ownsTarget",
            pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS "serverVersion"
       FROM pg_catalog.pg_roles r
       LEFT JOIN pg_catalog.pg_database d ON d.datname = $1
      WHERE r.rolname = current_user`,
    [database],
  );
  const { bytes, ...target } = row;
  return {
    ...target,
    oid: row.oid ?? undefined,
    owner: row.owner ?? undefined,
    sizeBytes: bytes === null ? undefined : Number(bytes),
    systemIdentifier: await readSystemIdentifier(client),
  };
}

async function readSystemIdentifier(client: Client): Promise<string | null> {
  const { may } = await queryOne<{ may: boolean }>(
    client,
    `SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may`,
  );
  if (!may) return null;
  const { id } = await queryOne<{ id: string }>(
    client,
    'SELECT system_identifier::text AS id FROM pg_catalog.pg_control_system()',
  );
  return id;
}

/** Runs `work` on a connection to another database of the URL's server. */
export async function onMaintenance<T>(
  url: DatabaseUrl,
  connection: ConnectionOptions,
  work: (client: Client, url: DatabaseUrl) => Promise<T>,
): Promise<T> {
  const candidates = MAINTENANCE_DATABASES.filter((name) => name !== url.database);
  for (const [index, database] of candidates.entries()) {
    const maintenanceUrl = { ...url, database };
    let connected = false;
    try {
      return await withConnection(maintenanceUrl, connection, (client) => {
        connected = true;
        return work(client, maintenanceUrl);
      });
    } catch (error) {
      const isAbsent = ABSENT.has(errorCode(error) ?? '');
      if (connected || !isAbsent || index === candidates.length - 1) throw error;
    }
  }
  throw new RangeError('at least one of two databases is not the target');
}
