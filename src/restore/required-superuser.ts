import type { Client } from 'pg';
import type { Manifest } from '../backup/backup.types.js';
import { listed } from '../backup/omission-texts.js';
import { PgkeepError } from '../core/errors.js';
import type { ArchiveNeeds } from './archive-contents.js';
import type { Despite } from './despite.js';

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
export interface RestoredObjects {
  readonly source: { readonly name: string; readonly manifest: Manifest | null };
  /** What the archive itself says; undefined where it was not read yet. */
  readonly needs?: ArchiveNeeds | undefined;
  /** Findings that were named: these objects are left out. Defaults to none. */
  readonly despite?: Despite | undefined;
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
    `Refused to restore ${restored.source.name}: only a superuser may create ${listed(objects)}, and role "${found.role}" is not one. Nothing was touched.`,
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
