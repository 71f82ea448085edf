import { type Client, escapeIdentifier } from 'pg';
import type { Manifest } from '../../backup/backup.types.js';
import { boundedList } from '../../core/text.js';
import { PgkeepError } from '../../core/errors.js';
import { majorOf } from '../archive/archive-header.js';
import { type ArchiveNeeds, rolesOf } from '../archive/archive-needs.js';
import type { Despite } from '../comparison/despite.js';
import { refused } from '../restore/refusals.js';
import type { RestoreTarget } from '../restore/restore-target.js';

/** What is restored, where, and what of it is given up. */
export interface RestoreFacts extends Pick<RestoredObjects, 'source'> {
  readonly target: RestoreTarget;
  readonly despite: Despite;
  readonly noOwner: boolean;
}

/** From this version on a membership says whether it may be used to give things to the role. */
const FIRST_WITH_SET_OPTION = 16;

/** Roles of managed services: no superusers, and let create some of what only these may. PostgreSQL decides there. */
const MANAGED_ADMINISTRATORS = [
  'rds_superuser',
  'cloudsqlsuperuser',
  'alloydbsuperuser',
  'azure_pg_admin',
  'neon_superuser',
  'supabase_privileged_role',
];

const EXTENSION = 'extension ';

/** What is restored. */
interface RestoredObjects {
  readonly source: { readonly name: string; readonly manifest: Manifest | null };
  /** What the archive itself says; undefined where it was not read yet. */
  readonly needs?: ArchiveNeeds | undefined;
  /** Findings that were named: these objects are left out. Defaults to none. */
  readonly despite?: Despite | undefined;
}

/**
 * Whether the server and the role can have what the archive makes.
 * @param client a connection of the role that restores, to the server that is restored into
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
    `the backup holds extensions that this server does not have: ${rows.map(({ name }) => `"${name}"`).join(', ')}`,
    'Install their packages on the server, then restore again.',
  );
}

/**
 * Whether owners and grants can be restored as they were. A role that is only granted something has to exist; one
 * that owns something has to be one that the restoring role may hand it to.
 * @throws PgkeepError `RESTORE_REFUSED` where they cannot, and it was not asked to do without: an application that may
 *   not read its tables is not restored.
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
  const otherwise = `Or give everything to "${role}": \`--no-owner\`.`;
  const missing = rows.filter(({ exists }) => !exists).map(({ name }) => escapeIdentifier(name));
  if (missing.length > 0) {
    throw refused(
      `the backup names roles that this server has not: ${missing.join(', ')}`,
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
      `role "${role}" may not make ${foreign.join(', ')} the owner of anything`,
      `Give it the grant, as a superuser: GRANT ${foreign.join(', ')} TO ${escapeIdentifier(role)}; ${otherwise}`,
    );
  }
  if (grantors.length === 0) return true;
  throw refused(
    `the backup holds grants that ${grantors.map((name) => escapeIdentifier(name)).join(', ')} made on what others own, and only a superuser can make them in that name`,
    `Restore as a superuser. ${otherwise}`,
  );
}

/**
 * Requires a superuser where the backup holds what only one may create: pg_restore would stop there, after hours.
 * The manifest has the complete list; where it has none, the archive's own entries count. Whether an extension needs a
 * superuser is asked of the server that is restored into.
 * @param client a connection of the role that restores, to that server
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
export async function requireSuperuserFor(client: Client, restored: RestoredObjects): Promise<void> {
  const { extensions, others } = privilegedObjects(restored);
  if (extensions.length + others.length === 0) return;
  const { rows } = await client.query<{ role: string; may: boolean; extensions: string[] }>(
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
  const [found] = rows;
  const objects = [...(found?.extensions ?? []), ...others].toSorted();
  if (!found || found.may || objects.length === 0) return;
  throw new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to restore ${restored.source.name}: only a superuser may create ${boundedList(objects, 10)}, and role "${found.role}" is not one. Nothing was touched.`,
    { hint: 'Restore as a superuser: put one into the database URL for this command.' },
  );
}

/** Pure. */
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
