import type { ClientBase } from 'pg';
import { withAction } from '../audit-log/append.js';
import {
  OWN_STRUCTURE,
  STRUCTURE_QUERIES,
  STRUCTURE_SECTIONS,
  type StructureSection,
} from '../postgres/catalogue/structure-queries.js';
import type { ReadTimeouts } from '../postgres/read.js';
import { setLocalSettings, STEADY_OUTPUT } from '../postgres/session.js';
import { inTransaction } from '../postgres/transaction.js';

/** Version of the queries that read the structure. Raised when the same structure reads differently. */
export const METHOD = 1;

/** Number of fingerprints whose digests are kept. */
const KEPT = 50;

/** Partitions by name: not compared, but read when an object of a partition differs. */
const PARTITIONS = `SELECT r.name AS home, 'partition' AS object, '' AS definition FROM own r
  WHERE r.relispartition AND r.relkind IN ('r', 'p', 'f')`;

const LINES_TYPE = '(home text, object text, definition text)';

/** One digest of all lines, computed in the server; textsend, because not every encoding converts to UTF-8. */
const DIGEST = `pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(coalesce(
  pg_catalog.string_agg(line.digest, '' ORDER BY line.digest COLLATE "C"), ''), 'UTF8')), 'hex')`;
const LINE_DIGEST = `pg_catalog.encode(pg_catalog.sha256(pg_catalog.textsend(
  pg_catalog.concat_ws(E'\\x1f', home, object, definition))), 'hex')`;

/** The digest of each section as one row: the lines stay in the server. */
export const DIGESTS_QUERY = `
  WITH ${OWN_STRUCTURE}
  SELECT pg_catalog.jsonb_object_agg(part.name, part.digest) AS digests FROM (
    ${STRUCTURE_SECTIONS.map(
      (section) => `SELECT '${section}' AS name, ${DIGEST} AS digest
        FROM (SELECT ${LINE_DIGEST} AS digest FROM (${STRUCTURE_QUERIES[section]}) object) line`,
    ).join('\n    UNION ALL ')}) part`;

/** Returns the query for the objects of one section that differ from fingerprint $1: only those leave the server. */
export function differencesQuery(section: StructureSection): string {
  return `
    WITH ${OWN_STRUCTURE},
    live AS (SELECT home, object, coalesce(definition, '') AS definition FROM (${STRUCTURE_QUERIES[section]}) object),
    recorded AS (
      SELECT * FROM pg_catalog.jsonb_to_recordset(
        (SELECT f.lines -> '${section}' FROM pgkeep.catalogue_fingerprint f WHERE f.id = $1)) AS line ${LINES_TYPE})
    SELECT coalesce(live.home, recorded.home) AS home, coalesce(live.object, recorded.object) AS object,
           recorded.definition AS was, live.definition AS is
      FROM live FULL JOIN recorded ON live.home = recorded.home AND live.object = recorded.object
     WHERE live.definition IS DISTINCT FROM recorded.definition
     ORDER BY coalesce(live.home, recorded.home) COLLATE "C", coalesce(live.object, recorded.object) COLLATE "C"`;
}

/** Which of the homes $2 are partitions that were added or removed since fingerprint $1. */
export const NEW_PARTITIONS_QUERY = `
  WITH ${OWN_STRUCTURE},
  live AS (SELECT home FROM (${PARTITIONS}) object),
  recorded AS (
    SELECT home FROM pg_catalog.jsonb_to_recordset(
      (SELECT f.lines -> 'partitions' FROM pgkeep.catalogue_fingerprint f WHERE f.id = $1)) AS line ${LINES_TYPE})
  SELECT coalesce(live.home, recorded.home) AS home
    FROM live FULL JOIN recorded ON live.home = recorded.home
   WHERE (live.home IS NULL OR recorded.home IS NULL)
     AND coalesce(live.home, recorded.home) IN (SELECT pg_catalog.jsonb_array_elements_text($2::jsonb))`;

/** What was external when fingerprint $1 was recorded: `{tables, enums}`, null if an older version recorded it. */
export const EXTERNALS_QUERY = `
  SELECT f.lines -> 'externals' AS externals FROM pgkeep.catalogue_fingerprint f WHERE f.id = $1`;

/** Identifies this server and database, for a literal comparison. */
export const PLACE_QUERY = `
  SELECT pg_catalog.current_setting('server_version_num')::int AS server_version,
         (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())::bigint AS database_oid,
         'pgkeep.catalogue_fingerprint'::pg_catalog.regclass::oid::bigint AS table_oid`;

/** The fingerprints without their lines, as a FROM item: see {@link withAction}. */
export const FINGERPRINTS = withAction(
  'pgkeep.catalogue_fingerprint',
  'id, recorded_at, method, server_version, database_oid, table_oid, migrations, digests',
  'f',
);

/**
 * Records the structure as it is now, after action $1 and with the migrations $2. $3 lists objects that differed before
 * the action, as {section, home, object, was, is}: if the action left one unchanged, its expected definition stays.
 * $4 is what is external, as {tables, enums}; null if unknown, and then the previous value is kept.
 * It fits the schema of earlier versions too, as {@link FINGERPRINTS} does.
 */
export const RECORD_STATEMENT = `
  WITH ${OWN_STRUCTURE},
  earlier AS (
    SELECT * FROM pg_catalog.jsonb_to_recordset($3::jsonb)
      AS line (section text, home text, object text, was text, "is" text)),
  part AS (
    ${[...STRUCTURE_SECTIONS.map((section) => expectedPart(section, STRUCTURE_QUERIES[section])), expectedPart('partitions', PARTITIONS)].join('\n    UNION ALL ')}),
  place AS (${PLACE_QUERY})
  INSERT INTO pgkeep.catalogue_fingerprint OVERRIDING USER VALUE
  SELECT entry.*
    FROM place, pg_catalog.jsonb_populate_record(NULL::pgkeep.catalogue_fingerprint, pg_catalog.jsonb_build_object(
      'recorded_at', pg_catalog.clock_timestamp(), 'action', $1::text, 'deed', $1::text, 'method', ${METHOD},
      'server_version', place.server_version, 'database_oid', place.database_oid, 'table_oid', place.table_oid,
      'migrations', $2::jsonb,
      'digests', (SELECT pg_catalog.jsonb_object_agg(part.name, part.digest) FROM part WHERE part.name <> 'partitions'),
      'lines', (SELECT pg_catalog.jsonb_object_agg(part.name, part.lines) FROM part)
        || pg_catalog.jsonb_build_object('externals', coalesce($4::jsonb,
             (SELECT f.lines -> 'externals' FROM pgkeep.catalogue_fingerprint f ORDER BY f.id DESC LIMIT 1))))) entry
  RETURNING id::text AS id`;

function expectedPart(name: string, query: string): string {
  return `SELECT '${name}' AS name, ${DIGEST} AS digest,
      coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'home', line.home, 'object', line.object, 'definition', line.definition)), '[]') AS lines
      FROM (SELECT home, object, definition, ${LINE_DIGEST} AS digest FROM (
        SELECT coalesce(live.home, earlier.home) AS home, coalesce(live.object, earlier.object) AS object,
               CASE WHEN earlier.object IS NOT NULL AND earlier."is" IS NOT DISTINCT FROM live.definition
                    THEN earlier.was ELSE live.definition END AS definition
          FROM (SELECT home, object, coalesce(definition, '') AS definition FROM (${query}) object) live
          FULL JOIN (SELECT * FROM earlier WHERE section = '${name}') earlier
            ON live.home = earlier.home AND live.object = earlier.object) expected
       WHERE definition IS NOT NULL) line`;
}

/** Removes the lines of fingerprints before $1, and the oldest fingerprints. */
export const TIDY_STATEMENTS = [
  'UPDATE pgkeep.catalogue_fingerprint SET lines = NULL WHERE id < $1 AND lines IS NOT NULL',
  `DELETE FROM pgkeep.catalogue_fingerprint WHERE id <= $1::bigint - ${KEPT}`,
] as const;

/**
 * Runs `work` in a transaction in which definitions read the same whatever the settings of the role.
 * @throws what `work` throws, after the transaction was ended.
 */
export async function inStructureTransaction<T>(
  client: ClientBase,
  timeouts: ReadTimeouts,
  mode: 'READ ONLY' | 'READ WRITE',
  work: () => Promise<T>,
): Promise<T> {
  // Compiling these queries takes longer than running them.
  return await inTransaction(client, { mode, isWithoutJit: true, ...timeouts }, async () => {
    await setLocalSettings(client, STEADY_OUTPUT);
    return await work();
  });
}
