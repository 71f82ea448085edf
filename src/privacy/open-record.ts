import type { Client, ClientBase, QueryResultRow } from 'pg';
import { errorCode, PgkeepError, serverMessageOf } from '../core/errors.js';
import { withoutStop } from '../core/text.js';
import { oneMessage } from '../postgres/mark.js';
import { beginStatements } from '../postgres/transaction.js';
import { POLICY_REFUSED, ROW_HELD } from '../policy/policy-texts.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import type { OwnerGraph } from './owner-graph.js';
import type { RecordName } from './privacy.types.js';
import { parseKey, recordText } from './record-key.js';
import { oneRow, tableOf, type Rows, type Statement } from './row-sql.js';

/** What an operation on a record needs. */
export interface RecordContext {
  readonly client: Client;
  readonly graph: OwnerGraph;
  readonly record: RecordName;
  /** Completes "Refused to …" and "Cannot …": `erase User 415`. */
  readonly operation: string;
}

/** A record that was found, and is locked until the transaction ends. */
export interface OpenRecord extends RecordContext {
  readonly rows: Rows;
}

/** The longest wait for a row that another transaction changes. */
const LOCK_TIMEOUT_MS = 10_000;

/** Runs a statement of a plan. */
export async function run<Row extends QueryResultRow>(
  client: ClientBase,
  { sql, values }: Statement,
): Promise<Row[]> {
  return (await client.query<Row>(sql, [...values])).rows;
}

/**
 * Runs `work` in one transaction on a record, which is locked: of two requests for the same person, the second waits.
 * All of it is done, or nothing.
 * @throws PgkeepError `RECORD_NOT_FOUND`, `RECORD_HELD`, `PRIVACY_REFUSED`, `NOT_INSTALLED`.
 */
export async function inRecordTransaction<T>(
  context: RecordContext,
  statementTimeoutMs: number,
  work: (record: OpenRecord) => Promise<T>,
): Promise<T> {
  const begin = beginStatements(context.client, {
    mode: 'READ WRITE',
    statementTimeoutMs,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
  });
  return await inTransaction(context, begin, 'FOR UPDATE', work);
}

/** Runs `work` in one transaction that sees one state of the database, and locks nothing. @throws PgkeepError as above. */
export async function inSnapshot<T>(
  context: RecordContext,
  statementTimeoutMs: number,
  work: (record: OpenRecord) => Promise<T>,
): Promise<T> {
  const begin = oneMessage(
    'BEGIN ISOLATION LEVEL REPEATABLE READ, READ WRITE, NOT DEFERRABLE',
    `SET LOCAL statement_timeout = ${statementTimeoutMs}`,
  );
  return await inTransaction(context, begin, '', work);
}

async function inTransaction<T>(
  context: RecordContext,
  begin: string,
  lock: string,
  work: (record: OpenRecord) => Promise<T>,
): Promise<T> {
  const { client } = context;
  await client.query(begin);
  try {
    // Triggers of the application may name its tables without their schema.
    await client.query('SET LOCAL search_path TO DEFAULT');
    const result = await work(await findRecord(context, lock));
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw explained(context, error);
  }
}

async function findRecord(context: RecordContext, lock: string): Promise<OpenRecord> {
  const { client, graph, record } = context;
  const rules = graph.model(record.model);
  const rows = oneRow(graph, record.model, parseKey(rules, record.id));
  const sql = `SELECT FROM ${tableOf(graph, rules).name} t WHERE ${rows.where} ${lock}`;
  const found = await run(client, { sql, values: rows.values }).catch((error: unknown) => {
    if (isNotOfType(error)) throw notFound(record, withoutStop(serverMessageOf(error)));
    throw error;
  });
  if (found.length === 0) throw notFound(record);
  return { ...context, rows };
}

/** A data exception: the id is not a value of the key's type, is out of its range, or holds a NUL. */
function isNotOfType(error: unknown): boolean {
  return errorCode(error)?.startsWith('22') === true;
}

function notFound(record: RecordName, why?: string): PgkeepError {
  const cause = why === undefined ? '' : `: ${why}`;
  return new PgkeepError(
    'RECORD_NOT_FOUND',
    `${recordText(record)} was not found${cause}. Nothing was changed.`,
    {
      hint: `Check the id; \`pgkeep privacy log ${record.model} ID\` shows whether the record was erased.`,
    },
  );
}

/** Returns the refusal of an operation. */
export function refused(operation: string, why: string, hint: string): PgkeepError {
  return new PgkeepError('PRIVACY_REFUSED', `Refused to ${operation}: ${why}. Nothing was changed.`, {
    hint,
  });
}

/** Returns what the database's refusal means. */
function explained({ operation }: RecordContext, error: unknown): unknown {
  if (error instanceof PgkeepError) return error;
  const code = errorCode(error) ?? '';
  const why = withoutStop(serverMessageOf(error));
  if (code === ROW_HELD) {
    return new PgkeepError('RECORD_HELD', `Refused to ${operation}: ${why}. Nothing was changed.`, {
      hint: 'Release it first: `pgkeep privacy release MODEL ID --by WHO --because TEXT`.',
    });
  }
  if (code === POLICY_REFUSED || code.startsWith('23')) {
    return refused(
      operation,
      `PostgreSQL refuses it: ${why}`,
      'Remove what stands in the way, then run it again.',
    );
  }
  const isPolicyMissing =
    code === SQLSTATE.invalidSchemaName ||
    code === SQLSTATE.undefinedFunction ||
    code === SQLSTATE.undefinedTable;
  if (isPolicyMissing && /pgkeep/.test(why)) {
    return new PgkeepError('NOT_INSTALLED', `Cannot ${operation}: ${why}. Nothing was changed.`, {
      hint: 'Run `pgkeep install`, then `pgkeep policy apply`.',
      cause: error,
    });
  }
  return error;
}
