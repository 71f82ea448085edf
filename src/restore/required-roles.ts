import { escapeIdentifier, type Client } from 'pg';
import { rolesOf, type ArchiveNeeds } from './archive-contents.js';
import { refused, type RestoreTarget } from './restore-plan.js';
import { majorOf } from './server-version.js';

/** From this version on a membership says whether it may be used to give things to the role. */
const FIRST_WITH_SET_OPTION = 16;

/**
 * Whether owners and grants can be restored as they were. A role that is only granted something has to exist; one
 * that owns something has to be one that the restoring role may hand it to.
 * @throws PgkeepError `RESTORE_REFUSED` where they cannot, and it was not asked to do without: an application that may
 *   not read its tables is not restored.
 */
export async function requireRoles(
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
