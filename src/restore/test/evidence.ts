import { createHash } from 'node:crypto';
import type { ClientBase, PoolClient } from 'pg';
import { appendPlan, mayRecord } from '../../audit-log/append.js';
import { serverMessageOf } from '../../core/errors.js';
import type { DatabaseService } from '../../postgres/database.service.js';
import { queryOne, read, type ReadTimeouts, tableExists } from '../../postgres/read.js';
import { beginStatements } from '../../postgres/transaction.js';
import type {
  Evidence,
  RestoreTestEntry,
  RestoreTestHistory,
  RestoreTestReport,
} from './restore-test.types.js';

const TABLE = { schema: 'pgkeep', table: 'restore_test' };

/** SQL of what a kept evidence says that the backup did not hold, as `text[]`; empty in evidence of earlier versions. */
const WITHOUT_OF_EVIDENCE = `ARRAY(
  SELECT pg_catalog.jsonb_array_elements_text(
           CASE pg_catalog.jsonb_typeof(evidence->'without') WHEN 'array' THEN evidence->'without' ELSE '[]' END))`;

/** Evidence to write, and who tested. */
export interface Recording {
  readonly evidence: Evidence;
  readonly actor: string;
}

interface Row {
  readonly id: string;
  readonly backup: string;
  readonly environment: string;
  readonly verdict: 'passed' | 'failed';
  readonly without: readonly string[];
  readonly started_at: Date;
  readonly finished_at: Date;
  readonly duration_ms: string;
  readonly archive_sha256: string;
  readonly evidence: unknown;
  readonly previous_hash: string;
  readonly hash: string;
  /** Whether the columns have the values of the evidence. */
  readonly agrees: boolean | null;
}

/** The previous hash of the first evidence. */
const NO_HASH = '0'.repeat(64);

/**
 * Writes evidence, chained to the previous one, and an entry of the audit log into the guarded database. If that fails,
 * the report says why, and the evidence is stored only beside the backup.
 */
export async function recordEvidence(
  database: DatabaseService,
  { evidence, actor }: Recording,
): Promise<RestoreTestReport> {
  try {
    return await database.withPooled(database.primary, async (client) => {
      const obstacle = await obstacleTo(client, database.timeouts);
      if (obstacle !== undefined) return unrecorded(evidence, obstacle);
      return await insert(client, { evidence, actor }, database.timeouts);
    });
  } catch (error) {
    return unrecorded(evidence, serverMessageOf(error));
  }
}

async function obstacleTo(client: ClientBase, timeouts: ReadTimeouts): Promise<string | undefined> {
  if (!(await tableExists(client, TABLE, timeouts))) {
    return 'table pgkeep.restore_test does not exist, run `pgkeep install`';
  }
  const recording = await mayRecord(client, timeouts);
  return recording === 'allowed' ? undefined : 'this role cannot write to pgkeep.change_log';
}

function unrecorded(evidence: Evidence, reason: string): RestoreTestReport {
  return { ...withHash({ ...evidence, previousHash: null }), number: null, notRecorded: reason };
}

async function insert(
  client: PoolClient,
  { evidence, actor }: Recording,
  { statementTimeoutMs }: ReadTimeouts,
): Promise<RestoreTestReport> {
  // After a failure the transaction stays open: the pool discards the connection, and the server rolls back.
  await client.query(beginStatements(client, { mode: 'READ WRITE', statementTimeoutMs }));
  // The trigger takes the same lock. Taken here, it keeps other tests from inserting evidence in between.
  await client.query(`SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pgkeep restore_test'))`);
  const newest = await client.query<{ hash: string }>(
    'SELECT hash FROM pgkeep.restore_test ORDER BY id DESC LIMIT 1',
  );
  const chained = withHash({ ...evidence, previousHash: newest.rows[0]?.hash ?? NO_HASH });
  const { hash, ...document } = chained;
  const { id } = await queryOne<{ id: string }>(
    client,
    'INSERT INTO pgkeep.restore_test (evidence, hash) VALUES ($1::jsonb, $2) RETURNING id::text',
    [JSON.stringify(document), hash],
  );
  const number = Number(id);
  const { backup, verdict, archive, restoreMs } = evidence;
  const { sql, values } = appendPlan({
    action: 'restore-test',
    subject: backup,
    details: { verdict, number, hash, archiveSha256: archive.sha256, restoreMs },
    actor,
  });
  await client.query(sql, [...values]);
  await client.query('COMMIT');
  return { ...chained, number, notRecorded: null };
}

/** Reads the newest tests and verifies the chain. @returns undefined if the table is missing. @throws the server's error. */
export async function readHistory(
  client: ClientBase,
  limit: number,
  timeouts: ReadTimeouts,
): Promise<RestoreTestHistory | undefined> {
  if (!(await tableExists(client, TABLE, timeouts))) return undefined;
  const rows = await read<Row>(client, {
    sql: `SELECT id::text, backup, environment, verdict, ${WITHOUT_OF_EVIDENCE} AS without, started_at, finished_at, duration_ms::text, archive_sha256,
                 evidence, previous_hash, hash,
                 (backup, environment, verdict, started_at, finished_at, duration_ms, archive_sha256, previous_hash)
                 = (evidence->>'backup', evidence->>'environment', evidence->>'verdict',
                    (evidence->>'startedAt')::timestamptz, (evidence->>'finishedAt')::timestamptz,
                    (evidence->>'durationMs')::bigint, evidence->'archive'->>'sha256',
                    evidence->>'previousHash') AS agrees
            FROM pgkeep.restore_test ORDER BY id`,
    ...timeouts,
  });
  const tests = rows.toReversed().slice(0, limit).map(toEntry);
  return { total: rows.length, tests, chainFault: chainFault(rows) };
}

/** Reads one test's evidence. @returns undefined if there is none of that number, or the table is missing. @throws the server's error. */
export async function readEvidence(
  client: ClientBase,
  number: number,
  timeouts: ReadTimeouts,
): Promise<RestoreTestReport | undefined> {
  if (!(await tableExists(client, TABLE, timeouts))) return undefined;
  const [row] = await read<{ evidence: Evidence; hash: string }>(client, {
    sql: 'SELECT evidence, hash FROM pgkeep.restore_test WHERE id = $1',
    values: [number],
    ...timeouts,
  });
  return row && { ...row.evidence, hash: row.hash, number, notRecorded: null };
}

function toEntry(row: Row): RestoreTestEntry {
  return {
    number: Number(row.id),
    backup: row.backup,
    environment: row.environment,
    verdict: row.verdict,
    without: row.without,
    startedAt: row.started_at.toISOString(),
    finishedAt: row.finished_at.toISOString(),
    durationMs: Number(row.duration_ms),
    archiveSha256: row.archive_sha256,
    hash: row.hash,
  };
}

function chainFault(rows: readonly Row[]): string | null {
  let before = NO_HASH;
  for (const [index, { id, evidence, previous_hash: previous, hash, agrees }] of rows.entries()) {
    if (Number(id) !== index + 1) return `evidence ${index + 1} is missing`;
    if (agrees !== true || hashOf(evidence) !== hash)
      return `evidence ${id} was changed after it was recorded`;
    if (previous !== before) return `evidence ${id} does not contain the hash of evidence ${index}`;
    before = hash;
  }
  return null;
}

/**
 * Returns the sha256 of a JSON value, written with sorted keys and no blanks, as `jq -cSj` writes it.
 */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** Adds its hash to evidence. */
function withHash(evidence: Evidence): Evidence & { readonly hash: string } {
  return { ...evidence, hash: hashOf(evidence) };
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}

/** One restore test, for the readiness check. */
interface NewestEvidence {
  readonly backup: string;
  readonly verdict: 'passed' | 'failed';
  /** What the backup does not contain of the database. Defaults to nothing. */
  readonly without?: readonly string[];
  readonly finishedAt: Date;
  /** How long the restore itself took; null if it did not finish. */
  readonly restoreMs?: number | null;
}

/** The newest restore test, and the newest one that passed. */
export interface NewestEvidences {
  readonly newest: NewestEvidence | undefined;
  readonly newestPassed: NewestEvidence | undefined;
}

/**
 * Reads the newest evidence of the environment that the database is stamped for: evidence that was restored with another
 * environment's backup does not count. Needs no privileges beyond those of the readiness checks.
 * @returns undefined if the table is missing: pgkeep, or its current version, is not installed.
 * @throws the server's error.
 */
export async function readNewestEvidence(
  client: ClientBase,
  timeouts: ReadTimeouts,
): Promise<NewestEvidences | undefined> {
  if (!(await tableExists(client, TABLE, timeouts))) return undefined;
  const rows = await read<NewestEvidence>(client, {
    sql: `SELECT newest.backup, newest.verdict, newest.without, newest.finished_at AS "finishedAt",
                 newest.restore_ms AS "restoreMs"
            FROM (VALUES ('passed'), ('failed')) known (verdict),
                 LATERAL (SELECT t.backup, t.verdict, ${WITHOUT_OF_EVIDENCE} AS without, t.finished_at,
                                CASE pg_catalog.jsonb_typeof(t.evidence->'restoreMs')
                                  WHEN 'number' THEN (t.evidence->>'restoreMs')::float8 END AS restore_ms
                            FROM pgkeep.restore_test t
                           WHERE t.verdict = known.verdict
                             AND t.environment = coalesce(
                                   (SELECT e.environment FROM pgkeep.database_environment e), t.environment)
                           ORDER BY t.finished_at DESC LIMIT 1) newest
           ORDER BY newest.finished_at DESC`,
    ...timeouts,
  });
  return { newest: rows[0], newestPassed: rows.find(({ verdict }) => verdict === 'passed') };
}
