import { OWN_DEPLOY_LOCK } from './deploy-locks.js';

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
