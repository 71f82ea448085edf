import { escapeIdentifier, type Client } from 'pg';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';
import type { DatabaseIdentity, StampReading } from '../../environment/environment.types.js';
import { sameDatabase } from '../../environment/environment.types.js';
import { PgkeepError } from '../../core/errors.js';

/** A schema that says: what is in here is a restore test's, and may be thrown away. */
const MARK = 'pgkeep_scratch';
const DROPPED_AT_A_TIME = 20;

/**
 * Takes the very database of TEST_DATABASE_URL, where no fresh one may be made: only if it is empty, or is stamped
 * `test` itself (a stamp that came with a restore is another database's), or a killed test left it marked.
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
export async function claimGivenDatabase(
  client: Client,
  { database, role, stamp, identity }: GivenDatabase,
): Promise<void> {
  const isScratch =
    stamp.kind === 'stamped' &&
    stamp.stamp.environment === 'test' &&
    identity !== undefined &&
    sameDatabase(stamp.stamp, identity);
  if (!isScratch && !(await isEmptyOrMarked(client))) {
    throw new PgkeepError(
      'RESTORE_REFUSED',
      `Refused to test a restore in database "${database}" of TEST_DATABASE_URL: it is neither empty nor stamped test, and role "${role}" may not make another. Nothing was touched.`,
      {
        hint: `Let it make one: ALTER ROLE ${escapeIdentifier(role)} CREATEDB; or name an empty database, or stamp this one as scratch: \`DATABASE_URL=… pgkeep stamp test\`.`,
      },
    );
  }
  const { rows } = await client.query<{ free: boolean }>(
    `SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtext('pgkeep restore test')) AS free`,
  );
  if (rows[0]?.free !== true) {
    throw new PgkeepError(
      'RESTORE_REFUSED',
      `Refused to test a restore in database "${database}" of TEST_DATABASE_URL: another restore test is at work in it.`,
      { hint: 'Wait for it, then try again.' },
    );
  }
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${MARK}`);
  await emptyDatabase(client, [MARK]);
}

export interface GivenDatabase {
  readonly database: string;
  readonly role: string;
  readonly stamp: StampReading;
  readonly identity: DatabaseIdentity | undefined;
}

/** Takes away what was restored; the mark stays. */
export async function emptyGivenDatabase(client: Client): Promise<void> {
  await emptyDatabase(client, [MARK]);
}

/** Leaves the database as an empty one; the mark goes last. */
export async function clearGivenDatabase(client: Client): Promise<void> {
  await emptyGivenDatabase(client);
  await client.query(`DROP SCHEMA IF EXISTS ${MARK}`);
}

async function isEmptyOrMarked(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ usable: boolean }>(
    `SELECT pg_catalog.to_regnamespace('${MARK}') IS NOT NULL
         OR (NOT EXISTS (SELECT FROM ${OWN_RELATIONS} r)
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n
                              WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('public', 'information_schema'))
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc p
                              WHERE p.pronamespace = pg_catalog.to_regnamespace('public'))
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)) AS usable`,
  );
  return rows[0]?.usable === true;
}

/**
 * Drops everything in the database, event triggers first: they would fire at the others. Tables before their schemas,
 * a few at a time: one statement that drops thousands would need as many locks at the same moment.
 */
async function emptyDatabase(client: Client, kept: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ statement: string }>(
    `SELECT pg_catalog.format('DROP EVENT TRIGGER %I', evtname) AS statement FROM pg_catalog.pg_event_trigger
     UNION ALL SELECT pg_catalog.format('SELECT pg_catalog.lo_unlink(%s)', oid)
       FROM pg_catalog.pg_largeobject_metadata
     UNION ALL SELECT pg_catalog.format('DROP PUBLICATION %I', pubname) FROM pg_catalog.pg_publication
     UNION ALL SELECT pg_catalog.format('DROP EXTENSION %I CASCADE', extname)
       FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql'
     UNION ALL (SELECT pg_catalog.format('DROP TABLE IF EXISTS %s CASCADE', pg_catalog.string_agg(t.name, ', '))
                  FROM (SELECT r.name, pg_catalog.row_number() OVER (ORDER BY r.relispartition DESC, r.oid DESC) AS number
                          FROM ${OWN_RELATIONS} r WHERE r.relkind IN ('r', 'p')) t
                 GROUP BY (t.number - 1) / ${DROPPED_AT_A_TIME} ORDER BY min(t.number))
     UNION ALL SELECT pg_catalog.format('DROP SCHEMA %I CASCADE', nspname) FROM pg_catalog.pg_namespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND nspname <> ALL ($1)`,
    [kept],
  );
  for (const { statement } of rows) await client.query(statement);
  await client.query(
    'CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC',
  );
}
