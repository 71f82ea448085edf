import { type Client, escapeIdentifier } from 'pg';
import type { Manifest } from '../../backup/backup.types.js';
import { backupSubject } from '../../backup/catalog/backup-name.js';
import type { EnvironmentName } from '../../config/settings.js';
import { counted } from '../../core/text.js';
import { PgkeepError } from '../../core/errors.js';
import type { StampReading } from '../../environment/environment.types.js';
import { majorOf } from '../archive/archive-header.js';
import type { RestoreSource } from './restore-source.js';
import type { RestoreTarget } from './restore-target.js';

/** The word that a restore into production wants. */
export const PRODUCTION_WORD = 'RESTORE_PRODUCTION';

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

/**
 * What would keep the swap from happening when everything else was done: a database cannot be renamed while a prepared
 * transaction is open in it, or a session that the role may not end.
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
export async function requireSwappable(
  client: Client,
  { database, role, isSuperuser, oid }: RestoreTarget,
): Promise<void> {
  if (oid === undefined) return;
  const prepared = await client.query<{ gid: string }>(
    'SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = $1 ORDER BY prepared',
    [database],
  );
  if (prepared.rows[0]) {
    throw refused(
      `database "${database}" has ${counted(prepared.rows.length, 'prepared transaction')}, "${prepared.rows[0].gid}" among them, and cannot be renamed while one is open`,
      'Connect to it, and end each: COMMIT PREPARED or ROLLBACK PREPARED.',
    );
  }
  if (isSuperuser) return;
  const { rows } = await client.query<{ name: string }>(
    `SELECT DISTINCT r.rolname::text AS name
       FROM pg_catalog.pg_stat_activity a
       JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid AND NOT r.rolsuper
      WHERE a.datname = $1 AND NOT pg_catalog.pg_has_role(r.oid, 'MEMBER')
        AND NOT pg_catalog.pg_has_role('pg_signal_backend', 'MEMBER')
      ORDER BY 1`,
    [database],
  );
  if (rows.length === 0) return;
  throw refused(
    `role "${role}" may not end the sessions that ${rows.map(({ name }) => escapeIdentifier(name)).join(', ')} has in database "${database}", and it cannot be renamed while they are open`,
    `End them, or give it the grant, as a superuser: GRANT pg_signal_backend TO ${escapeIdentifier(role)};`,
  );
}
