import { escapeIdentifier } from 'pg';
import { PgkeepError, propertyOf } from '../core/errors.js';
import { isListOf, isRecord, isText, type Guard } from '../core/json-guards.js';
import { ACTION_SETTING } from '../policy/policy-texts.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import type { OwnerGraph } from '../privacy/owner-graph.js';
import { recordText as nameOf } from '../privacy/record-key.js';
import { keyFields, oneRow, openAction, tableOf, type Rows, type Statement } from '../privacy/row-sql.js';
import type { ModelRules } from '../prisma-schema/rules.js';
import { isArgs } from './args.js';
import { databaseErrorIn, explained } from './explain-error.js';
import { GuardError } from './guard-error.js';
import { call } from './prisma-client.js';

/** A record, and what should be done with it. */
export interface RecordRequest {
  readonly model: string;
  readonly id: unknown;
  /** The action, as the ledger has it. */
  readonly action: string;
  /** What errors say: `erase`. */
  readonly verb: string;
  readonly by: string | null;
  readonly reason: string | null;
}

/** A record in an open transaction. */
export interface OpenRecord {
  readonly tx: unknown;
  readonly graph: OwnerGraph;
  readonly rules: ModelRules;
  readonly rows: Rows;
  /** Whether it is marked as deleted. */
  readonly isMarked: boolean;
  readonly request: RecordRequest;
}

/** Runs a statement of a plan in a transaction of Prisma. */
export async function run<Row>(
  tx: unknown,
  { sql, values }: Statement,
  isRow: Guard<Row>,
): Promise<readonly Row[]> {
  const rows = await call(tx, '$queryRawUnsafe', sql, ...values);
  if (isListOf(isRow)(rows)) return rows;
  throw new PgkeepError('INTERNAL', 'The answer of the database has another shape than expected.');
}

/** Finds a record, and locks it where it will be changed. @throws PgkeepError `RECORD_NOT_FOUND` */
export async function openRecord(
  tx: unknown,
  graph: OwnerGraph,
  request: RecordRequest,
): Promise<OpenRecord> {
  const rules = graph.model(request.model);
  const rows = oneRow(graph, request.model, keyOf(rules, request.id));
  const { deletedAt } = rules;
  // An export changes nothing.
  const lock = request.action === 'export-data' ? '' : 'FOR UPDATE';
  const mark = deletedAt ? `t.${escapeIdentifier(deletedAt.column)} IS NOT NULL` : 'false';
  const sql = `SELECT ${mark} AS marked FROM ${tableOf(graph, rules).name} t WHERE ${rows.where} ${lock}`;
  const isFound = isRecord<{ marked: boolean }>({ marked: isBoolean });
  const [found] = await run(tx, { sql, values: rows.values }, isFound).catch((error: unknown) => {
    // The id is not a value of the key's type.
    throw isDataException(error) ? notFound(request, messageIn(error)) : error;
  });
  if (!found) throw notFound(request);
  return { tx, graph, rules, rows, isMarked: found.marked, request };
}

/** Records the action in the ledger, and opens it for the statements of `work` only. */
export async function withAction<T>(
  { tx, request }: OpenRecord,
  work: (action: string) => Promise<T>,
): Promise<T> {
  const [opened] = await run(
    tx,
    openAction(request.action, request),
    isRecord<{ id: string }>({ id: isText }),
  );
  const result = await work(opened?.id ?? '');
  // The transaction may go on, with statements of the application.
  await call(tx, '$queryRawUnsafe', 'SELECT set_config($1, $2, true)', ACTION_SETTING, '');
  return result;
}

/** Returns what an error of a verb means. */
export function verbError(error: unknown, request: RecordRequest): unknown {
  if (error instanceof PgkeepError || error instanceof GuardError) return error;
  const isMissing = MISSING.has(codeIn(error)) && messageIn(error).includes('pgkeep');
  if (!isMissing && !isDataException(error)) return explained(error);
  return new PgkeepError(
    isMissing ? 'NOT_INSTALLED' : 'USAGE_INVALID',
    `Cannot ${request.verb} ${recordText(request)}: ${messageIn(error)}. Nothing was changed.`,
    {
      hint: isMissing
        ? 'Run `npx pgkeep install`, then `npx pgkeep policy apply`.'
        : 'Pass who does it and why as short texts.',
      cause: error,
    },
  );
}

/** Returns the SQLSTATE. */
function codeIn(error: unknown): string {
  return String(propertyOf(databaseErrorIn(error), 'originalCode'));
}

function messageIn(error: unknown): string {
  return String(propertyOf(databaseErrorIn(error), 'originalMessage'));
}

function isDataException(error: unknown): boolean {
  return codeIn(error).startsWith('22');
}

/** Returns the refusal of a verb. */
export function refused(request: RecordRequest, why: string, hint: string): PgkeepError {
  return new PgkeepError(
    'PRIVACY_REFUSED',
    `Refused to ${request.verb} ${recordText(request)}: ${why}. Nothing was changed.`,
    { hint },
  );
}

/** SQLSTATEs of a missing schema, function or table. */
const MISSING: ReadonlySet<string> = new Set([
  SQLSTATE.invalidSchemaName,
  SQLSTATE.undefinedFunction,
  SQLSTATE.undefinedTable,
]);

function notFound(request: RecordRequest, why?: string): PgkeepError {
  return new PgkeepError(
    'RECORD_NOT_FOUND',
    `${recordText(request)} was not found${why === undefined ? '' : `: ${why}`}. Nothing was changed.`,
    { hint: 'Check the id: it is the value of the primary key.' },
  );
}

/** @throws PgkeepError `USAGE_INVALID` */
function keyOf({ model }: ModelRules, id: unknown): Readonly<Record<string, unknown>> {
  const names = keyFields(model).map(({ name }) => name);
  const [name = ''] = names;
  const isNamed = isArgs(id) && names.every((field) => field in id);
  if (isNamed) return id;
  if (names.length === 1 && id !== undefined && id !== null) return { [name]: id };
  throw new PgkeepError(
    'USAGE_INVALID',
    `The key of ${model.name} is ${names.join(', ')}, and was not given.`,
    {
      hint: `Pass ${names.length === 1 ? 'its value' : `an object: { ${names.join(', ')} }`}.`,
    },
  );
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

function recordText({ model, id }: RecordRequest): string {
  return nameOf({ model, id: keyText(id) });
}

/** Returns an id as text: of a key with several fields, the values with commas between. */
export function keyText(id: unknown): string {
  return isArgs(id) ? Object.values(id).join(',') : String(id);
}
