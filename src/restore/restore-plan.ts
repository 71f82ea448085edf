import type { Client } from 'pg';
import { backupSubject } from '../backup/backup-name.js';
import type { Manifest } from '../backup/backup.types.js';
import type { EnvironmentName } from '../config/settings.js';
import type { StampReading } from '../environment/environment.types.js';
import { PgkeepError } from '../core/errors.js';
import type { RestoreSource } from './restore-source.js';
import { majorOf } from './server-version.js';
import { escapeIdentifier } from 'pg';

/** The word that a restore into production wants. */
export const PRODUCTION_WORD = 'RESTORE_PRODUCTION';

/** The database that is to be replaced, and what the role may do about it. */
export interface RestoreTarget {
  readonly database: string;
  /** Undefined: there is no database of that name, and one is created. */
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

/** Asked on a connection to another database of the server. */
export async function readTarget(client: Client, database: string): Promise<RestoreTarget> {
  const { rows } = await client.query<
    Omit<RestoreTarget, 'systemIdentifier' | 'sizeBytes'> & { bytes: string | null }
  >(
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
  const row = rows[0];
  if (!row) throw new Error('the server answered without a row');
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
  const may = await client.query<{ may: boolean }>(
    `SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may`,
  );
  if (may.rows[0]?.may !== true) return null;
  const { rows } = await client.query<{ id: string }>(
    'SELECT system_identifier::text AS id FROM pg_catalog.pg_control_system()',
  );
  return rows[0]?.id ?? null;
}

/** What a person consented to, by typing it. */
export interface RestoreConsent {
  /** `RESTORE_PRODUCTION`. */
  readonly confirm?: string | undefined;
  /** The target's name, typed again. */
  readonly target?: string | undefined;
  /** Whether `confirm` was typed on a terminal after the plan was shown: then the target need not be named. */
  readonly onTerminal?: boolean;
  /** `<database>_<environment>` of a backup of another database or environment. */
  readonly fromOther?: string | undefined;
}

/** @throws PgkeepError `RESTORE_REFUSED`, naming the grant that is missing. */
export function requireAbilities({ role, database, mayCreate, ownsTarget }: RestoreTarget): void {
  const to = escapeIdentifier(role);
  if (!mayCreate) {
    throw refused(
      `role "${role}" may not create databases, and a restore goes beside the database, never over it`,
      `Give it the grant, as a superuser: ALTER ROLE ${to} CREATEDB;`,
    );
  }
  if (ownsTarget) return;
  throw refused(
    `role "${role}" does not own database "${database}", and only an owner may rename it`,
    `Restore as its owner, or let the role be one: ALTER DATABASE ${escapeIdentifier(database)} OWNER TO ${to};`,
  );
}

/** The stamp must be that of the environment this runs as. @throws PgkeepError `RESTORE_REFUSED`. */
export function requireOwnEnvironment(stamp: StampReading | undefined, environment: EnvironmentName): void {
  if (stamp?.kind !== 'stamped' || stamp.stamp.environment === environment) return;
  throw refused(
    `this runs as ${environment}, and the database is stamped ${stamp.stamp.environment}`,
    `Use \`--env ${stamp.stamp.environment}\`, or point DATABASE_URL at the ${environment} database.`,
  );
}

/** Whose backup it is, where it is not this database's. */
export function otherSubject(
  manifest: Manifest | null,
  { database }: RestoreTarget,
  environment: EnvironmentName,
): string | undefined {
  if (!manifest) return undefined;
  if (manifest.database === database && manifest.environment === environment) return undefined;
  return backupSubject(manifest.database, manifest.environment);
}

/** @throws PgkeepError `RESTORE_REFUSED`. */
export function requireConsentForOther(
  other: string | undefined,
  { database }: RestoreTarget,
  { fromOther }: RestoreConsent,
): void {
  if (other === fromOther) return;
  if (other === undefined) {
    throw refused(
      `--from-other ${fromOther} was typed, and the backup is of this very database and environment`,
      'Leave it out.',
    );
  }
  throw refused(
    `the backup is of ${other}, not of database "${database}" in this environment`,
    `If that is meant, with all the personal data in it, add \`--from-other ${other}\`.`,
  );
}

/**
 * Production is restored only by somebody who typed so: the word on a terminal, or the word and the database's name.
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
export function requireProductionConsent(
  environment: EnvironmentName,
  { database }: RestoreTarget,
  { confirm, target, onTerminal = false }: RestoreConsent,
): void {
  if (target !== undefined && target !== database) {
    throw refused(
      `--target ${target} was typed, and DATABASE_URL leads to database "${database}"`,
      'Check which database is meant.',
    );
  }
  if (environment !== 'production') return;
  if (confirm === PRODUCTION_WORD && (onTerminal || target === database)) return;
  throw refused(
    'a restore into production was not confirmed',
    `Type ${PRODUCTION_WORD} when asked on a terminal, or give both \`--confirm ${PRODUCTION_WORD} --target ${database}\`.`,
  );
}

/** Archives go to the same major version, or up. @throws PgkeepError `RESTORE_REFUSED`. */
export function requireNotOlder(
  { name, serverVersion: dumped }: Pick<RestoreSource, 'name' | 'serverVersion'>,
  { serverVersion }: RestoreTarget,
): void {
  if (dumped === undefined || majorOf(serverVersion) >= majorOf(dumped)) return;
  throw new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to restore: ${name} is of PostgreSQL ${dumped}, and this server is ${serverVersion}. Nothing was touched.`,
    { hint: `Restore it on PostgreSQL ${majorOf(dumped)} or newer.` },
  );
}

/** A restore that is refused before anything was done. */
export function refused(why: string, hint: string): PgkeepError {
  return new PgkeepError('RESTORE_REFUSED', `Refused to restore: ${why}. Nothing was touched.`, { hint });
}
