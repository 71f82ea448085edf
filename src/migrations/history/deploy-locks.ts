import type { ClientBase } from 'pg';

/** An advisory lock as pg_locks shows it: classid, objid, objsubid. */
type AdvisoryLock = readonly [classId: number, objectId: number, objectSubId: number];

/** "pgke" and 1: pgkeep holds it during a complete deploy, backup included. */
export const OWN_DEPLOY_LOCK: AdvisoryLock = [0x70_67_6b_65, 1, 2];

/** Prisma's engine holds it while it applies migrations; a bigint, which pg_locks shows with objsubid 1. */
export const PRISMA_LOCK: AdvisoryLock = [0, 72_707_369, 1];

/** Marks a session of a recorded deploy. Not a keyword of SQL, so that it is not typed by habit. */
const SETTING = 'pgkeep.deploy';

/**
 * SQL after which the DDL guard accepts the session's statements, as long as a session holds `OWN_DEPLOY_LOCK`: the
 * setting alone is not enough. Does nothing where the guard is not installed.
 */
export const ENTER_RECORDED_DEPLOY = `SET ${SETTING} = 'on'`;

/** SQL that ends it, for a session that is used further. */
export const LEAVE_RECORDED_DEPLOY = `RESET ${SETTING}`;

/** SQL expression: whether the current session belongs to a recorded deploy. */
export const IN_RECORDED_DEPLOY = `
  (pg_catalog.current_setting('${SETTING}', true) = 'on'
   AND EXISTS (SELECT FROM pg_catalog.pg_locks l
                WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.granted
                  AND (l.classid::bigint, l.objid::bigint, l.objsubid::int) = (${OWN_DEPLOY_LOCK.join(', ')})
                  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                     WHERE d.datname = pg_catalog.current_database())))`;

/** Returns whether another session is applying migrations to this database; in the caller's transaction. */
export async function isBeingDeployed(client: ClientBase): Promise<boolean> {
  const keys = [OWN_DEPLOY_LOCK, PRISMA_LOCK].map((key) => `(${key.join(', ')})`).join(', ');
  const { rowCount } = await client.query(`
    SELECT FROM pg_catalog.pg_locks l
     WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
       AND (l.classid::bigint, l.objid::bigint, l.objsubid::int) IN (${keys})
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`);
  return rowCount !== 0;
}
