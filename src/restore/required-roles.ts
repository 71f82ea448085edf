import { escapeIdentifier, type Client } from 'pg';
import { KeepError } from '../errors.js';
import type { RestoreTarget } from './restore-plan.js';

/**
 * Whether owners and grants can be restored as they were.
 * @throws KeepError `RESTORE_REFUSED` where they cannot, and nobody said to do without: an application that may not
 *   read its tables is not restored.
 */
export async function requireRoles(
  client: Client,
  { role, isSuperuser }: RestoreTarget,
  roles: readonly string[],
  noOwner: boolean,
): Promise<boolean> {
  if (noOwner) return false;
  const { rows } = await client.query<{ name: string; exists: boolean; member: boolean }>(
    `SELECT wanted.name, r.oid IS NOT NULL AS exists,
            coalesce(pg_catalog.pg_has_role(r.oid, 'MEMBER'), false) AS member
       FROM pg_catalog.unnest($1::text[]) wanted (name)
       LEFT JOIN pg_catalog.pg_roles r ON r.rolname = wanted.name`,
    [roles],
  );
  const missing = rows.filter(({ exists }) => !exists).map(({ name }) => escapeIdentifier(name));
  if (missing.length > 0) {
    throw refused(
      `the backup names roles that this server has not: ${missing.join(', ')}`,
      `Create them: ${missing.map((name) => `CREATE ROLE ${name};`).join(' ')} Or give everything to "${role}": \`--no-owner\`.`,
    );
  }
  const foreign = rows
    .filter(({ name, member }) => !member && !name.startsWith('pg_'))
    .map(({ name }) => escapeIdentifier(name));
  if (isSuperuser || foreign.length === 0) return true;
  throw refused(
    `role "${role}" may not make ${foreign.join(', ')} the owner of anything`,
    `Give it the grant, as a superuser: GRANT ${foreign.join(', ')} TO ${escapeIdentifier(role)}; Or give everything to "${role}": \`--no-owner\`.`,
  );
}

function refused(why: string, hint: string): KeepError {
  return new KeepError('RESTORE_REFUSED', `Refused to restore: ${why}. Nothing was touched.`, { hint });
}
