import type { ClientBase } from 'pg';

/** An advisory lock as pg_locks shows it: classid, objid, objsubid. */
type AdvisoryLock = readonly [classId: number, objectId: number, objectSubId: number];

/** "pgke" and 1: pgkeep holds it for a whole deploy, backup included. */
export const OWN_DEPLOY_LOCK: AdvisoryLock = [0x70_67_6b_65, 1, 2];

/** What Prisma's engine takes while it applies; a bigint, which pg_locks shows with objsubid 1. */
export const PRISMA_LOCK: AdvisoryLock = [0, 72_707_369, 1];

/** What a session is told that works for a recorded deploy: no word of SQL's, so that nobody types it by habit. */
const SETTING = 'pgkeep.deploy';

/**
 * SQL that lets a session through the DDL guard, as long as somebody holds `OWN_DEPLOY_LOCK`: the setting alone opens
 * nothing. Where there is no such guard it does nothing.
 */
export const ENTER_RECORDED_DEPLOY = `SET ${SETTING} = 'on'`;

/** SQL that ends it, for a session that goes on to other things. */
export const LEAVE_RECORDED_DEPLOY = `RESET ${SETTING}`;

/** Whether the session that asks works for a recorded deploy, as an expression of SQL. */
export const IN_RECORDED_DEPLOY = `
  (pg_catalog.current_setting('${SETTING}', true) = 'on'
   AND EXISTS (SELECT FROM pg_catalog.pg_locks l
                WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.granted
                  AND (l.classid::bigint, l.objid::bigint, l.objsubid::int) = (${OWN_DEPLOY_LOCK.join(', ')})
                  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                     WHERE d.datname = pg_catalog.current_database())))`;

/** Whether somebody else brings migrations into this database right now; in the caller's transaction. */
export async function isBeingDeployed(client: ClientBase): Promise<boolean> {
  const keys = [OWN_DEPLOY_LOCK, PRISMA_LOCK].map((key) => `(${key.join(', ')})`).join(', ');
  const { rowCount } = await client.query(`
    SELECT FROM pg_catalog.pg_locks l
     WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
       AND (l.classid::bigint, l.objid::bigint, l.objsubid::int) IN (${keys})
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`);
  return rowCount !== 0;
}
