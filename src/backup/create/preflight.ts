import { isBackupOf } from '../catalog/backup-name.js';
import { type Client, type ClientBase, escapeIdentifier } from 'pg';
import type { EnvironmentName, Settings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import { countedList, formatBytes } from '../../core/text.js';
import type { DatabaseIdentity } from '../../environment/environment.types.js';
import { readIdentity, readStamp, requireStamp } from '../../environment/stamp.js';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { queryOne } from '../../postgres/read.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { CommittedBackups } from '../catalog/committed-backups.js';
import type { DatabaseFacts } from './database-facts.js';

/** How many large objects a message lists, and its statement grants. */
const SHOWN_OBJECTS = 10;
/** How many names a message shows. */
const SHOWN_NAMES = 10;
/** From this version on PostgreSQL itself answers who may read a large object. */
const FIRST_WITH_LARGE_OBJECT_RIGHTS = 18;

/** What would make a dump incomplete; empty lists if nothing does. */
export interface Obstacles {
  /** Schemas the role may not use. */
  readonly closedSchemas: readonly string[];
  /** Tables and sequences the role may not read. */
  readonly unreadable: readonly string[];
  /** Tables with rows that row-level security hides from this role. */
  readonly filtered: readonly string[];
  /** Large objects that the role may not read. */
  readonly lockedObjects: LockedObjects;
}

/** There may be millions of them, so a message shows the first only. */
interface LockedObjects {
  readonly count: number;
  /** The first oids, as many as a message lists. */
  readonly oids: readonly string[];
  readonly owners: readonly string[];
}

/**
 * The relations whose rows pg_dump reads: the database's own, and configuration tables of extensions
 * (`pg_extension_config_dump`).
 */
const READ_RELATIONS = `(
  SELECT r.oid, r.name, r.relkind, r.relnamespace FROM ${OWN_RELATIONS} r
  UNION
  SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind, c.relnamespace
    FROM pg_catalog.pg_extension e
    JOIN pg_catalog.pg_class c ON c.oid = ANY (e.extconfig)
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)`;

/** Reads the obstacles from the catalogue, without access to the tables themselves. */
export async function readObstacles(client: ClientBase, { serverMajor }: DatabaseFacts): Promise<Obstacles> {
  type Kind = 'closedSchemas' | 'unreadable' | 'filtered';
  const { rows } = await client.query<{ name: string; schema: string; kind: Kind }>(`
    SELECT r.name, pg_catalog.format('%I', n.nspname) AS schema,
           CASE WHEN NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') THEN 'closedSchemas'
                WHEN NOT (CASE r.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(r.oid, 'SELECT')
                                         ELSE pg_catalog.has_table_privilege(r.oid, 'SELECT') END)
                THEN 'unreadable'
                ELSE 'filtered' END AS kind
      FROM ${READ_RELATIONS} r
      JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
     WHERE r.relkind IN ('r', 'p', 'S')
       AND (NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
            OR NOT (CASE r.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(r.oid, 'SELECT')
                                   ELSE pg_catalog.has_table_privilege(r.oid, 'SELECT') END)
            OR pg_catalog.row_security_active(r.oid))
     ORDER BY r.name COLLATE "C"`);
  const named = (wanted: Kind): string[] =>
    rows
      .filter(({ kind }) => kind === wanted)
      .map(({ name, schema }) => (wanted === 'closedSchemas' ? schema : name));
  return {
    closedSchemas: [...new Set(named('closedSchemas'))],
    unreadable: named('unreadable'),
    filtered: named('filtered'),
    lockedObjects: await readLockedObjects(client, serverMajor),
  };
}

/** Reads which large objects are locked: they have separate rights, which pg_read_all_data does not include. */
async function readLockedObjects(client: ClientBase, serverMajor: number): Promise<LockedObjects> {
  const mayRead =
    serverMajor >= FIRST_WITH_LARGE_OBJECT_RIGHTS
      ? `pg_catalog.has_largeobject_privilege(m.oid, 'SELECT')`
      : `(pg_catalog.pg_has_role(m.lomowner, 'USAGE')
          OR EXISTS (SELECT FROM pg_catalog.aclexplode(m.lomacl) a
                      WHERE a.privilege_type = 'SELECT'
                        AND CASE a.grantee WHEN 0 THEN true ELSE pg_catalog.pg_has_role(a.grantee, 'USAGE') END))`;
  return await queryOne<LockedObjects>(
    client,
    `
    SELECT pg_catalog.count(*)::int AS count,
           coalesce((pg_catalog.array_agg(m.oid::text ORDER BY m.oid))[1:${SHOWN_OBJECTS}], '{}') AS oids,
           coalesce(pg_catalog.array_agg(DISTINCT pg_catalog.pg_get_userbyid(m.lomowner)::text), '{}') AS owners
      FROM pg_catalog.pg_largeobject_metadata m
     WHERE pg_catalog.current_setting('lo_compat_privileges') = 'off' AND NOT ${mayRead}`,
  );
}

/** Requires that a dump will be complete. @throws PgkeepError `DATABASE_PERMISSION_DENIED` or `BACKUP_ROW_SECURITY`. */
export function requireComplete(obstacles: Obstacles, { database, role }: DatabaseFacts): void {
  const { closedSchemas, unreadable, filtered, lockedObjects } = obstacles;
  const to = escapeIdentifier(role);
  const isClosed = closedSchemas.length + unreadable.length > 0;
  if (isClosed || lockedObjects.count > 0) {
    const missing = [
      ...(closedSchemas.length > 0 ? [`use ${countedList('schema', closedSchemas, SHOWN_NAMES)}`] : []),
      ...(unreadable.length > 0 ? [`read ${countedList('relation', unreadable, SHOWN_NAMES)}`] : []),
      ...(lockedObjects.count > 0 ? [`read ${largeObjects(lockedObjects)}`] : []),
    ];
    const hints = [
      ...(isClosed ? [`Run, as a superuser: GRANT pg_read_all_data TO ${to};`] : []),
      ...(lockedObjects.count > 0 ? [largeObjectHint(lockedObjects, to)] : []),
    ];
    throw new PgkeepError(
      'DATABASE_PERMISSION_DENIED',
      `Cannot back up database "${database}": role "${role}" may not ${missing.join(' and not ')}.`,
      { hint: hints.join('\n') },
    );
  }
  if (filtered.length > 0) {
    throw new PgkeepError(
      'BACKUP_ROW_SECURITY',
      `Cannot back up database "${database}": row-level security hides rows of ${countedList('table', filtered, SHOWN_NAMES)} from role "${role}".`,
      { hint: `Run, as a superuser: ALTER ROLE ${to} BYPASSRLS;` },
    );
  }
}

function largeObjects({ count, oids }: LockedObjects): string {
  const rest = count > oids.length ? ` and ${count - oids.length} more` : '';
  return `${count === 1 ? 'large object' : `${count} large objects`} ${oids.join(', ')}${rest}`;
}

function largeObjectHint({ count, oids, owners }: LockedObjects, to: string): string {
  const grant =
    count <= SHOWN_OBJECTS
      ? `GRANT SELECT ON LARGE OBJECT ${oids.join(', ')} TO ${to};`
      : `in psql, SELECT format('GRANT SELECT ON LARGE OBJECT %s TO ${to.replaceAll("'", "''").replaceAll('%', '%%')}', oid) FROM pg_largeobject_metadata \\gexec`;
  const roles = owners.map((owner) => escapeIdentifier(owner)).join(', ');
  return `Run, as a superuser: ${grant}\nTo cover future large objects too, make the role a member of their owner: GRANT ${roles} TO ${to};`;
}

/** Without an earlier backup as a reference: an archive is seldom larger than this part of the database's size. */
const EXPECTED_PART = 0.25;

/** Allowance for growth since the last backup. */
const GROWTH = 1.25;

/** The free space that a backup needs, and how the number was found. */
interface RequiredSpace {
  readonly bytes: number;
  readonly because: string;
}

/**
 * Requires that the storage has enough free space for a backup of this database.
 * @returns the size of the last backup's archive; undefined if there is none.
 * @throws PgkeepError `STORAGE_FULL`.
 */
export async function requireFreeSpace(
  { database, sizeBytes }: DatabaseFacts,
  storage: BackupStorage,
  { environment, backup: { requiredFreeBytes } }: Settings,
): Promise<number | undefined> {
  const freeBytes = (await storage.freeBytes?.()) ?? Infinity;
  const { backups } = await new CommittedBackups(storage).list();
  const [last] = backups
    .filter((backup) => isBackupOf(backup, database, environment))
    .toSorted((left, right) => (left.finishedAt < right.finishedAt ? 1 : -1));
  requireSpace(storage.location, freeBytes, requiredSpace(sizeBytes, last?.bytes, requiredFreeBytes));
  return last?.bytes;
}

/** Returns the setting, or an estimate of the archive's size. */
export function requiredSpace(
  databaseBytes: number,
  lastArchiveBytes: number | undefined,
  setBytes: number | undefined,
): RequiredSpace {
  if (setBytes !== undefined) return { bytes: setBytes, because: 'BACKUP_REQUIRED_FREE_MB' };
  if (lastArchiveBytes !== undefined) {
    return { bytes: Math.ceil(lastArchiveBytes * GROWTH), because: `${GROWTH} times the last archive` };
  }
  const because = `a quarter of the database’s ${formatBytes(databaseBytes)}, for a first backup`;
  return { bytes: Math.ceil(databaseBytes * EXPECTED_PART), because };
}

function requireSpace(location: string, freeBytes: number, { bytes, because }: RequiredSpace): void {
  if (freeBytes >= bytes) return;
  throw new PgkeepError(
    'STORAGE_FULL',
    `Cannot back up to ${location}: not enough free space. About ${formatBytes(bytes)} are needed (${because}), ${formatBytes(freeBytes)} are free.`,
    {
      hint: 'Free space there, or point BACKUP_DIR to a directory on a larger disk. If the archive will be smaller, set BACKUP_REQUIRED_FREE_MB to its size; 0 switches this check off.',
    },
  );
}

/**
 * Refuses a database that is stamped for another environment: its backups would get the name and the retention of this
 * environment.
 * @returns the identity of the database, if the role may read it.
 * @throws PgkeepError `BACKUP_REFUSED`.
 */
export async function requireEnvironment(
  client: Client,
  environment: EnvironmentName,
  timeouts: ReadTimeouts,
): Promise<DatabaseIdentity | undefined> {
  const reading = await readStamp(client, timeouts);
  requireStamp(reading, environment, (why, hint) => {
    const message = `Refused to back up the database: ${why}. Nothing was touched.`;
    return new PgkeepError('BACKUP_REFUSED', message, { hint });
  });
  return await readIdentity(client, timeouts);
}
