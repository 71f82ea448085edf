import { sameDatabase, type DatabaseIdentity } from '../environment/environment.types.js';
import { PgkeepError } from '../core/errors.js';

/**
 * The guarded database is known by its system identifier and oid, whatever host name or pooler it is reached by.
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
export function requireAnother(
  identity: DatabaseIdentity | undefined,
  guarded: readonly DatabaseIdentity[],
): void {
  if (identity === undefined) {
    throw new PgkeepError(
      'RESTORE_REFUSED',
      'Refused to test a restore: the role of TEST_DATABASE_URL may not ask the server who it is, and it might be the guarded database.',
      {
        hint: 'Give it the grant, as a superuser: GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO PUBLIC;',
      },
    );
  }
  if (!guarded.some((database) => sameDatabase(database, identity))) return;
  throw new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to test a restore: TEST_DATABASE_URL leads to the guarded database itself (system ${identity.systemIdentifier}, oid ${identity.databaseOid}). Nothing was touched.`,
    { hint: 'Point TEST_DATABASE_URL at another server, or leave it out.' },
  );
}
