import { type Client, escapeIdentifier } from 'pg';
import type { Manifest } from '../../backup/backup.types.js';
import { backupSubject, isBackupOf } from '../../backup/catalog/backup-name.js';
import { majorOf } from '../../backup/postgres-tools.js';
import type { EnvironmentName } from '../../config/settings.js';
import { boundedList, counted } from '../../core/text.js';
import { PgkeepError } from '../../core/errors.js';
import type { RestoreSource } from './restore-source.js';
import type { RestoreTarget } from './restore-target.js';

/** The word that confirms a restore into production. */
export const PRODUCTION_WORD = 'RESTORE_PRODUCTION';

/** What a person confirmed by typing it. */
export interface RestoreConsent {
  /** `RESTORE_PRODUCTION` */
  readonly confirm?: string | undefined;
  /** The name of the database to replace, typed again. */
  readonly target?: string | undefined;
  /** Whether `confirm` was typed on a terminal after the plan was shown: the target need not be named then. */
  readonly onTerminal?: boolean;
  /** The `<database>_<environment>` of a backup of another database or environment. */
  readonly fromOther?: string | undefined;
}

/** Requires that the role can create and rename databases. @throws PgkeepError `RESTORE_REFUSED`, with the grant. */
export function requireAbilities({ role, database, mayCreate, ownsTarget }: RestoreTarget): void {
  const to = escapeIdentifier(role);
  if (!mayCreate) {
    throw refused(
      `role "${role}" cannot create databases, and a restore creates a new one before it replaces the old one`,
      `Grant it as a superuser: ALTER ROLE ${to} CREATEDB;`,
    );
  }
  if (ownsTarget) return;
  throw refused(
    `role "${role}" does not own database "${database}", and only the owner can rename it`,
    `Restore as its owner, or change the owner: ALTER DATABASE ${escapeIdentifier(database)} OWNER TO ${to};`,
  );
}

/** Returns the `<database>_<environment>` of a backup that is not of this database and environment. */
export function otherSubject(
  manifest: Manifest | null,
  { database }: RestoreTarget,
  environment: EnvironmentName,
): string | undefined {
  if (!manifest) return undefined;
  if (isBackupOf(manifest, database, environment)) return undefined;
  return backupSubject(manifest.database, manifest.environment);
}

/** Requires `--from-other` for a backup of another database or environment. @throws PgkeepError `RESTORE_REFUSED`. */
export function requireConsentForOther(
  other: string | undefined,
  { database }: RestoreTarget,
  { fromOther }: RestoreConsent,
): void {
  if (other === fromOther) return;
  if (other === undefined) {
    throw refused(
      `--from-other ${fromOther} was given, but the backup is of this database and environment`,
      'Omit --from-other.',
    );
  }
  throw refused(
    `the backup is of ${other}, not of database "${database}" in this environment`,
    `To restore it here, with all personal data in it, add \`--from-other ${other}\`.`,
  );
}

/**
 * Requires a typed confirmation in production: the word on a terminal, or the word and the database's name as options.
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
export function requireProductionConsent(
  environment: EnvironmentName,
  { database }: RestoreTarget,
  { confirm, target, onTerminal = false }: RestoreConsent,
): void {
  if (target !== undefined && target !== database) {
    throw refused(
      `--target is "${target}", but DATABASE_URL leads to database "${database}"`,
      'Check which database you want to replace.',
    );
  }
  if (environment !== 'production') return;
  if (confirm === PRODUCTION_WORD && (onTerminal || target === database)) return;
  throw refused(
    'a restore into production was not confirmed',
    `Type ${PRODUCTION_WORD} when asked on a terminal, or add both options: \`--confirm ${PRODUCTION_WORD} --target ${database}\`.`,
  );
}

/** Requires a server that is not older than the dumped one. @throws PgkeepError `RESTORE_REFUSED`. */
export function requireNotOlder(
  { name, serverVersion: dumped }: Pick<RestoreSource, 'name' | 'serverVersion'>,
  { serverVersion }: RestoreTarget,
): void {
  if (dumped === undefined || majorOf(serverVersion) >= majorOf(dumped)) return;
  throw refused(
    `${name} is of PostgreSQL ${dumped}, and this server is the older PostgreSQL ${serverVersion}`,
    `Restore it on PostgreSQL ${majorOf(dumped)} or newer.`,
  );
}

/** Returns the error of a restore that is refused before anything was changed. */
export function refused(why: string, hint: string): PgkeepError {
  return new PgkeepError('RESTORE_REFUSED', `Refused to restore: ${why}. Nothing was changed.`, { hint });
}

/**
 * Requires that the database can be renamed at the end: that is impossible while it has prepared transactions, or sessions
 * that the role cannot end.
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
      `database "${database}" has ${counted(prepared.rows.length, 'prepared transaction')} (${boundedList(
        prepared.rows.map(({ gid }) => `"${gid}"`),
        10,
      )}), and PostgreSQL cannot rename it until they end`,
      'Connect to it and end each with COMMIT PREPARED or ROLLBACK PREPARED.',
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
    `role "${role}" cannot end the sessions of ${rows.map(({ name }) => escapeIdentifier(name)).join(', ')} in database "${database}", and PostgreSQL cannot rename it while they are open`,
    `End those sessions, or grant as a superuser: GRANT pg_signal_backend TO ${escapeIdentifier(role)};`,
  );
}
