import type { Client } from 'pg';
import type { EnvironmentName } from '../config/settings.js';

/**
 * Stamps a restored database as the one that it now is: its oid is new, and the stamp it came with may be another
 * environment's. Where neither it nor the replaced one carried a stamp it gets none.
 */
export async function restamp(
  restored: Client,
  replaced: Client | undefined,
  { environment, now }: { environment: EnvironmentName; now: Date },
): Promise<void> {
  const stamped = [restored, ...(replaced ? [replaced] : [])].map(async (client) => {
    const found = await client.query<{ found: boolean }>(
      `SELECT pg_catalog.to_regclass('pgkeep.database_environment') IS NOT NULL AS found`,
    );
    if (found.rows[0]?.found !== true) return false;
    return (await client.query('SELECT FROM pgkeep.database_environment')).rowCount !== 0;
  });
  if (!(await Promise.all(stamped)).includes(true)) return;
  await restored.query(
    `INSERT INTO pgkeep.database_environment (id, environment, system_identifier, database_oid, stamped_at, stamped_by)
     SELECT 1, $1, s.system_identifier::text, d.oid, $2, current_user
       FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d
      WHERE d.datname = pg_catalog.current_database()
         ON CONFLICT (id) DO UPDATE
        SET environment = excluded.environment, system_identifier = excluded.system_identifier,
            database_oid = excluded.database_oid, stamped_at = excluded.stamped_at, stamped_by = excluded.stamped_by`,
    [environment, now.toISOString()],
  );
}
