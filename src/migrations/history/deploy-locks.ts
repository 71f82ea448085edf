import type { ClientBase } from 'pg';

/** An advisory lock as pg_locks shows it: classid, objid, objsubid. */
type AdvisoryLock = readonly [classId: number, objectId: number, objectSubId: number];

/** "pgke" and 1: pgkeep holds it during a complete deploy, backup included. */
export const OWN_DEPLOY_LOCK: AdvisoryLock = [0x70_67_6b_65, 1, 2];

/** Prisma's engine holds it while it applies migrations; a bigint, which pg_locks shows with objsubid 1. */
export const PRISMA_LOCK: AdvisoryLock = [0, 72_707_369, 1];

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
