import { OWN_DEPLOY_LOCK } from '../../migrations/history/deploy-locks.js';

/** The setting of a session that works for a recorded deploy: no SQL keyword, so that it is not typed by habit. */
const SETTING = 'pgkeep.deploy';

/**
 * SQL that lifts the DDL guard for a session, while `OWN_DEPLOY_LOCK` is held by any session: the setting alone does
 * not. Without a guard it has no effect.
 */
export const LIFT_DDL_GUARD = `SET ${SETTING} = 'on'`;

/** The same for the current transaction only. */
export const LIFT_DDL_GUARD_HERE = `SET LOCAL ${SETTING} = 'on'`;

/** SQL that ends it, for a session that goes on with other work. */
export const RESTORE_DDL_GUARD = `RESET ${SETTING}`;

/** SQL expression: whether the guard is lifted for the current session. */
export const IS_DDL_GUARD_LIFTED = `
  (pg_catalog.current_setting('${SETTING}', true) = 'on'
   AND EXISTS (SELECT FROM pg_catalog.pg_locks l
                WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.granted
                  AND (l.classid::bigint, l.objid::bigint, l.objsubid::int) = (${OWN_DEPLOY_LOCK.join(', ')})
                  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                     WHERE d.datname = pg_catalog.current_database())))`;
