import type { Client } from 'pg';
import type { EnvironmentName } from '../../config/settings.js';
import { queryOne } from '../../postgres/read.js';

/** Records about the database itself, not its contents: a restore keeps the newer ones. */
const RECORDS = [
  {
    table: 'pgkeep.change_log',
    number: 'seq',
    // Either database may have the schema of an earlier version, in which column "action" is called "deed".
    insert: `SELECT entry.* FROM pg_catalog.jsonb_populate_record(NULL::pgkeep.change_log,
               pg_catalog.jsonb_build_object('action', $1::jsonb->'deed', 'deed', $1::jsonb->'action') || $1::jsonb) entry`,
  },
  {
    table: 'pgkeep.restore_test',
    number: 'id',
    // Its trigger fills the other columns from the evidence.
    insert: `SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, $1::jsonb->'evidence', NULL, $1::jsonb->>'hash'`,
  },
] as const;

/** How many entries of a table were carried over. */
export interface CarriedOver {
  readonly table: string;
  readonly entries: number;
  /** Whether the restored database has another history, which the entries cannot continue. */
  readonly hasOtherHistory: boolean;
}

/** Records of rows, which a restore keeps as the replaced database has them. */
const ROW_RECORDS = [
  { table: 'pgkeep.legal_hold', isReplaced: true },
  // What was corrected since the backup is not corrected any more, and that it was stays on record.
  { table: 'pgkeep.correction', isReplaced: false },
] as const;

/**
 * Copies legal holds and corrections from the replaced database: a hold that was placed since the backup still keeps its
 * row, and one that was released does not.
 */
export async function carryHolds(replaced: Client, restored: Client): Promise<void> {
  for (const { table, isReplaced } of ROW_RECORDS) {
    if (!(await exists(replaced, table)) || !(await exists(restored, table))) continue;
    const { rows } = await replaced.query<{ row: string }>(
      `SELECT pg_catalog.to_jsonb(t)::text AS row FROM ${table} t`,
    );
    if (isReplaced) await restored.query(`DELETE FROM ${table}`);
    for (const { row } of rows) {
      await restored.query(
        `INSERT INTO ${table} SELECT (pg_catalog.jsonb_populate_record(NULL::${table}, $1::jsonb)).* ON CONFLICT DO NOTHING`,
        [row],
      );
    }
  }
}

/** Returns whether a database has pgkeep's records. */
export async function hasRecords(client: Client): Promise<boolean> {
  return await exists(client, 'pgkeep.change_log');
}

/**
 * Copies the records since the backup from the replaced database into the restored one, in the transaction that the
 * caller has open there. Triggers check that every entry continues the chain.
 */
export async function carryOver(replaced: Client, restored: Client): Promise<CarriedOver[]> {
  const carried: CarriedOver[] = [];
  for (const record of RECORDS) {
    if (!(await exists(replaced, record.table)) || !(await exists(restored, record.table))) continue;
    carried.push(await carryOne(replaced, restored, record));
  }
  return carried;
}

async function carryOne(
  replaced: Client,
  restored: Client,
  { table, number, insert }: (typeof RECORDS)[number],
): Promise<CarriedOver> {
  const head = await restored.query<{ number: string; hash: string }>(
    `SELECT ${number}::text AS number, hash FROM ${table} ORDER BY ${number} DESC LIMIT 1`,
  );
  const { number: last, hash } = head.rows[0] ?? { number: '0', hash: null };
  const known = await replaced.query(`SELECT FROM ${table} WHERE ${number} = $1 AND hash = $2`, [last, hash]);
  if (hash !== null && known.rowCount === 0) return { table, entries: 0, hasOtherHistory: true };
  const { rows } = await replaced.query<{ entry: string }>(
    `SELECT pg_catalog.to_jsonb(t)::text AS entry FROM ${table} t WHERE ${number} > $1 ORDER BY ${number}`,
    [last],
  );
  for (const { entry } of rows) await restored.query(`INSERT INTO ${table} ${insert}`, [entry]);
  return { table, entries: rows.length, hasOtherHistory: false };
}

async function exists(client: Client, table: string): Promise<boolean> {
  const sql = 'SELECT pg_catalog.to_regclass($1) IS NOT NULL AS found';
  return (await queryOne<{ found: boolean }>(client, sql, [table])).found;
}

/**
 * Stamps a restored database with its new oid and this environment: the stamp in the backup is of another database. Does
 * nothing if neither the restored nor the replaced database has a stamp.
 */
export async function restamp(
  restored: Client,
  replaced: Client | undefined,
  { environment, now }: { environment: EnvironmentName; now: Date },
): Promise<void> {
  const stamped = [restored, ...(replaced ? [replaced] : [])].map(async (client) => {
    if (!(await exists(client, 'pgkeep.database_environment'))) return false;
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
