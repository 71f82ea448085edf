import { escapeIdentifier, type Client } from 'pg';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';
import type { DatabaseIdentity, StampReading } from '../../environment/environment.types.js';
import { sameDatabase } from '../../environment/environment.types.js';
import { PgkeepError } from '../../core/errors.js';
import { queryOne } from '../../postgres/read.js';

/** The schema that marks a database as a restore test's: its contents may be dropped. */
const MARK = 'pgkeep_scratch';
const DROPPED_AT_A_TIME = 20;

/**
 * Claims the database of TEST_DATABASE_URL itself if the role cannot create another one: only if it is empty, stamped
 * `test` (a restored stamp is of another database and does not count), or marked by a killed test.
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
      `Refused to test a restore in database "${database}" of TEST_DATABASE_URL: it is neither empty nor stamped test, and role "${role}" cannot create another database. Nothing was changed.`,
      {
        hint: `Allow it to create databases: ALTER ROLE ${escapeIdentifier(role)} CREATEDB; Or use an empty database, or mark this one as scratch: \`DATABASE_URL=… pgkeep stamp test\`.`,
      },
    );
  }
  const { isFree } = await queryOne<{ isFree: boolean }>(
    client,
    `SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtext('pgkeep restore test')) AS "isFree"`,
  );
  if (!isFree) {
    throw new PgkeepError(
      'RESTORE_REFUSED',
      `Refused to test a restore in database "${database}" of TEST_DATABASE_URL: another restore test is running in it.`,
      { hint: 'Wait until it ends, then try again.' },
    );
  }
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${MARK}`);
  await emptyDatabase(client, [MARK]);
}

/** The database of TEST_DATABASE_URL. */
export interface GivenDatabase {
  readonly database: string;
  readonly role: string;
  readonly stamp: StampReading;
  readonly identity: DatabaseIdentity | undefined;
}

/** Drops what was restored, but not the mark. */
export async function emptyGivenDatabase(client: Client): Promise<void> {
  await emptyDatabase(client, [MARK]);
}

/** Drops what was restored, and the mark last. */
export async function clearGivenDatabase(client: Client): Promise<void> {
  await emptyGivenDatabase(client);
  await client.query(`DROP SCHEMA IF EXISTS ${MARK}`);
}

async function isEmptyOrMarked(client: Client): Promise<boolean> {
  const { isUsable } = await queryOne<{ isUsable: boolean }>(
    client,
    `SELECT pg_catalog.to_regnamespace('${MARK}') IS NOT NULL
         OR (NOT EXISTS (SELECT FROM ${OWN_RELATIONS} r)
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n
                              WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('public', 'information_schema'))
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc p
                              WHERE p.pronamespace = pg_catalog.to_regnamespace('public'))
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)) AS "isUsable"`,
  );
  return isUsable;
}

/**
 * Drops everything in the database. Event triggers come first, because they would fire on the other statements. Tables
 * are dropped a few at a time before their schemas: one statement for thousands would need too many locks.
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
