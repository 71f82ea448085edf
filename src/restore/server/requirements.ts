import { type Client, escapeIdentifier } from 'pg';
import type { Manifest } from '../../backup/backup.types.js';
import { majorOf } from '../../backup/postgres-tools.js';
import { boundedList } from '../../core/text.js';
import { PgkeepError } from '../../core/errors.js';
import { queryOne } from '../../postgres/read.js';
import { type ArchiveNeeds, rolesOf } from '../archive/archive-needs.js';
import type { Despite } from '../comparison/despite.js';
import { refused } from '../restore/refusals.js';
import type { RestoreTarget } from '../restore/restore-target.js';

/** What is restored, where, and which parts are left out. */
export interface RestoreFacts extends Pick<RestoredObjects, 'source'> {
  readonly target: RestoreTarget;
  readonly despite: Despite;
  readonly noOwner: boolean;
}

/** From this version on a membership has the option SET, which is required to make the role an owner. */
const FIRST_WITH_SET_OPTION = 16;

/** Administrator roles of managed services: not superusers, but allowed to create some of these objects. */
const MANAGED_ADMINISTRATORS = [
  'rds_superuser',
  'cloudsqlsuperuser',
  'alloydbsuperuser',
  'azure_pg_admin',
  'neon_superuser',
  'supabase_privileged_role',
];

const EXTENSION = 'extension ';

/** The objects that are restored. */
interface RestoredObjects {
  readonly source: { readonly name: string; readonly manifest: Manifest | null };
  /** What the archive requires; undefined if it has not been read yet. */
  readonly needs?: ArchiveNeeds | undefined;
  /** Accepted findings: these objects are left out. Defaults to none. */
  readonly despite?: Despite | undefined;
}

/**
 * Requires that the restoring role can create on this server everything that the archive contains.
 * @param client a connection of the restoring role to that server
 * @returns whether owners and grants are restored, too
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
export async function requireRestorable(
  client: Client,
  { source, target, despite, noOwner }: RestoreFacts,
  needs: ArchiveNeeds,
): Promise<boolean> {
  await requireExtensions(client, needs, despite);
  await requireSuperuserFor(client, { source, needs, despite });
  return await requireRoles(client, target, needs, noOwner);
}

async function requireExtensions(
  client: Client,
  { extensions }: ArchiveNeeds,
  despite: Despite,
): Promise<void> {
  const names = extensions
    .map(({ name }) => name)
    .filter((name) => !despite.isNamedObject(`extension ${name}`));
  const { rows } = await client.query<{ name: string }>(
    `SELECT wanted.name FROM pg_catalog.unnest($1::text[]) wanted (name)
      WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions e WHERE e.name = wanted.name)`,
    [names],
  );
  if (rows.length === 0) return;
  throw refused(
    `this server does not have extensions that the backup requires: ${rows.map(({ name }) => `"${name}"`).join(', ')}`,
    'Install their packages on the server, then restore again.',
  );
}

/**
 * Requires that owners and grants can be restored, unless `noOwner`: an application could not read its tables otherwise.
 * A role with grants must exist. Of a role that owns objects, the restoring role must be a member.
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
async function requireRoles(
  client: Client,
  { role, isSuperuser, serverVersion }: RestoreTarget,
  needs: ArchiveNeeds,
  noOwner: boolean,
): Promise<boolean> {
  if (noOwner) return false;
  const membership = majorOf(serverVersion) >= FIRST_WITH_SET_OPTION ? 'SET' : 'MEMBER';
  const { rows } = await client.query<{ name: string; exists: boolean; member: boolean }>(
    `SELECT wanted.name, r.oid IS NOT NULL AS exists,
            coalesce(pg_catalog.pg_has_role(r.oid, $2), false) AS member
       FROM pg_catalog.unnest($1::text[]) wanted (name)
       LEFT JOIN pg_catalog.pg_roles r ON r.rolname = wanted.name`,
    [rolesOf(needs), membership],
  );
  const otherwise = `Or restore without owners and grants, so that role "${role}" owns everything: \`--no-owner\`.`;
  const missing = rows.filter(({ exists }) => !exists).map(({ name }) => escapeIdentifier(name));
  if (missing.length > 0) {
    throw refused(
      `the backup uses roles that do not exist on this server: ${missing.join(', ')}`,
      `Create them: ${missing.map((name) => `CREATE ROLE ${name};`).join(' ')} ${otherwise}`,
    );
  }
  if (isSuperuser) return true;
  const { owners, grantors } = needs;
  const foreign = rows
    .filter(({ name, member }) => owners.includes(name) && !member && !name.startsWith('pg_'))
    .map(({ name }) => escapeIdentifier(name));
  if (foreign.length > 0) {
    throw refused(
      `role "${role}" cannot create objects owned by ${foreign.join(', ')}: it is not a member of ${foreign.length === 1 ? 'that role' : 'those roles'}`,
      `Grant the membership as a superuser: GRANT ${foreign.join(', ')} TO ${escapeIdentifier(role)}; ${otherwise}`,
    );
  }
  if (grantors.length === 0) return true;
  throw refused(
    `the backup contains privileges that ${grantors.map((name) => escapeIdentifier(name)).join(', ')} granted on objects of other owners, and only a superuser can restore those`,
    `Restore as a superuser. ${otherwise}`,
  );
}

/**
 * Requires a superuser if the backup contains objects that only a superuser can create: pg_restore would fail on them
 * after hours. The manifest has the complete list; without one, the archive's entries count. The server decides which
 * extensions require a superuser.
 * @param client a connection of the restoring role to that server
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
export async function requireSuperuserFor(client: Client, restored: RestoredObjects): Promise<void> {
  const { extensions, others } = privilegedObjects(restored);
  if (extensions.length + others.length === 0) return;
  const {
    role,
    may,
    extensions: superuserExtensions,
  } = await queryOne<{ role: string; may: boolean; extensions: string[] }>(
    client,
    `SELECT current_user::text AS role,
            pg_catalog.current_setting('is_superuser') = 'on'
              OR EXISTS (SELECT FROM pg_catalog.pg_roles r
                          WHERE r.rolname = ANY ($1) AND pg_catalog.pg_has_role(r.oid, 'MEMBER')) AS may,
            ARRAY(SELECT 'extension ' || e.name
                    FROM pg_catalog.pg_available_extensions e
                    JOIN pg_catalog.pg_available_extension_versions v
                      ON v.name = e.name AND v.version = e.default_version
                   WHERE e.name = ANY ($2) AND v.superuser AND NOT v.trusted) AS extensions`,
    [MANAGED_ADMINISTRATORS, extensions],
  );
  const objects = [...superuserExtensions, ...others].toSorted();
  if (may || objects.length === 0) return;
  throw new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to restore ${restored.source.name}: only a superuser can create ${boundedList(objects, 10)}, and role "${role}" is not a superuser. Nothing was changed.`,
    { hint: 'Restore as a superuser: use a superuser in the database URL for this command.' },
  );
}

/** Returns the objects to check: extensions by name, and all others. Pure. */
function privilegedObjects({ source, needs, despite }: RestoredObjects): {
  extensions: readonly string[];
  others: readonly string[];
} {
  const isLeftOut = (object: string): boolean => despite?.isNamedObject(object) === true;
  const recorded = source.manifest?.superuserObjects;
  const objects = (recorded ?? needs?.privileged ?? []).filter((object) => !isLeftOut(object));
  const extensions = needs
    ? needs.extensions.map(({ name }) => `${EXTENSION}${name}`)
    : objects.filter((object) => object.startsWith(EXTENSION));
  return {
    extensions: extensions
      .filter((object) => !isLeftOut(object))
      .map((object) => object.slice(EXTENSION.length)),
    others: objects.filter((object) => !object.startsWith(EXTENSION)),
  };
}
