import type { Client } from 'pg';
import type { Manifest } from '../backup/backup.types.js';
import { listed } from '../backup/omission-texts.js';
import { KeepError } from '../errors.js';

/** Roles of managed services: no superusers, and let create some of what only these may. PostgreSQL decides there. */
const MANAGED_ADMINISTRATORS = [
  'rds_superuser',
  'cloudsqlsuperuser',
  'alloydbsuperuser',
  'azure_pg_admin',
  'neon_superuser',
  'supabase_privileged_role',
];

/**
 * Requires a superuser where the backup holds what only one may create: pg_restore would stop there, after hours.
 * @param client a connection of the role that restores, to the server that is restored into
 * @throws KeepError `RESTORE_REFUSED`.
 */
export async function requireSuperuserFor(
  { name, manifest }: { readonly name: string; readonly manifest: Manifest | null },
  client: Client,
): Promise<void> {
  const objects = manifest?.superuserObjects ?? [];
  if (objects.length === 0) return;
  const { rows } = await client.query<{ role: string; may: boolean }>(
    `SELECT current_user::text AS role,
            pg_catalog.current_setting('is_superuser') = 'on'
              OR EXISTS (SELECT FROM pg_catalog.pg_roles r
                          WHERE r.rolname = ANY ($1) AND pg_catalog.pg_has_role(r.oid, 'MEMBER')) AS may`,
    [MANAGED_ADMINISTRATORS],
  );
  const role = rows[0];
  if (!role || role.may) return;
  throw new KeepError(
    'RESTORE_REFUSED',
    `Refused to restore ${name}: only a superuser may create ${listed(objects)}, and role "${role.role}" is not one. Nothing was touched.`,
    { hint: 'Restore as a superuser: put one into the database URL for this command.' },
  );
}
