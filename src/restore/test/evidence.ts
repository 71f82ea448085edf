import { createHash } from 'node:crypto';
import type { ClientBase, PoolClient } from 'pg';
import { appendPlan, mayRecord } from '../../audit-log/append.js';
import { serverMessageOf } from '../../core/errors.js';
import type { DatabaseService } from '../../postgres/database.service.js';
import { read, type ReadTimeouts, tableExists } from '../../postgres/read.js';
import { beginStatements } from '../../postgres/transaction.js';
import { WITHOUT_OF_EVIDENCE } from './newest-evidence.js';
import type {
  Evidence,
  RestoreTestEntry,
  RestoreTestHistory,
  RestoreTestReport,
} from './restore-test.types.js';

const TABLE = { schema: 'pgkeep', table: 'restore_test' };

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
  /** Whether the columns say what the evidence says. */
  readonly agrees: boolean | null;
}

/** What stands for the hash of the evidence before the first. */
const NO_HASH = '0'.repeat(64);

/**
 * Writes evidence into the guarded database, together with its entry in the audit log, chained to the evidence
 * before. Where that cannot be done the evidence still holds: it says why, and is kept beside the backup alone.
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
    return 'it has no table pgkeep.restore_test: run `pgkeep install`';
  }
  const recording = await mayRecord(client, timeouts);
  return recording === 'allowed' ? undefined : 'this role may not write pgkeep.change_log';
}

function unrecorded(evidence: Evidence, reason: string): RestoreTestReport {
  return { ...sealed({ ...evidence, previousHash: null }), number: null, notRecorded: reason };
}

async function insert(
  client: PoolClient,
  { evidence, actor }: Recording,
  { statementTimeoutMs }: ReadTimeouts,
): Promise<RestoreTestReport> {
  // One that fails leaves its transaction open: the pool then discards the connection, and the server ends it.
  await client.query(beginStatements(client, { mode: 'READ WRITE', statementTimeoutMs }));
  // The trigger takes the same lock; here already, so that the newest evidence stays the newest.
  await client.query(`SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pgkeep restore_test'))`);
  const newest = await client.query<{ hash: string }>(
    'SELECT hash FROM pgkeep.restore_test ORDER BY id DESC LIMIT 1',
  );
  const chained = sealed({ ...evidence, previousHash: newest.rows[0]?.hash ?? NO_HASH });
  const { hash, ...document } = chained;
  const { rows } = await client.query<{ id: string }>(
    'INSERT INTO pgkeep.restore_test (evidence, hash) VALUES ($1::jsonb, $2) RETURNING id::text',
    [JSON.stringify(document), hash],
  );
  const number = Number(rows[0]?.id);
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

/** Undefined where the table is missing. @throws what the connection throws. */
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
    if (previous !== before) return `evidence ${id} does not continue evidence ${index}`;
    before = hash;
  }
  return null;
}

/**
 * sha256 of a JSON value written with sorted keys and no blanks. Anybody can recompute it: `jq -cSj` writes JSON
 * the same way.
 */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** @returns the evidence as it is kept, and its hash. */
function sealed(evidence: Evidence): Evidence & { readonly hash: string } {
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
