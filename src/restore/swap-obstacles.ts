import { escapeIdentifier, type Client } from 'pg';
import { counted } from '../core/counted.js';
import { refused, type RestoreTarget } from './restore-plan.js';

/**
 * What would keep the swap from happening when everything else was done: a database cannot be renamed while a prepared
 * transaction is open in it, or a session that the role may not end.
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
export async function requireSwappable(
  client: Client,
  { database, role, isSuperuser, oid }: RestoreTarget,
): Promise<void> {
  if (oid === undefined) return;
  const prepared = await client.query<{ gid: string }>(
    'SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = $1 ORDER BY prepared',
    [database],
  );
  if (prepared.rows[0]) {
    throw refused(
      `database "${database}" has ${counted(prepared.rows.length, 'prepared transaction')}, "${prepared.rows[0].gid}" among them, and cannot be renamed while one is open`,
      'Connect to it, and end each: COMMIT PREPARED or ROLLBACK PREPARED.',
    );
  }
  if (isSuperuser) return;
  const { rows } = await client.query<{ name: string }>(
    `SELECT DISTINCT r.rolname::text AS name
       FROM pg_catalog.pg_stat_activity a
       JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid AND NOT r.rolsuper
      WHERE a.datname = $1 AND NOT pg_catalog.pg_has_role(r.oid, 'MEMBER')
        AND NOT pg_catalog.pg_has_role('pg_signal_backend', 'MEMBER')
      ORDER BY 1`,
    [database],
  );
  if (rows.length === 0) return;
  throw refused(
    `role "${role}" may not end the sessions that ${rows.map(({ name }) => escapeIdentifier(name)).join(', ')} has in database "${database}", and it cannot be renamed while they are open`,
    `End them, or give it the grant, as a superuser: GRANT pg_signal_backend TO ${escapeIdentifier(role)};`,
  );
}
