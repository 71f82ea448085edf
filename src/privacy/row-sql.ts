import { escapeIdentifier, escapeLiteral } from 'pg';
import { PgkeepError } from '../core/errors.js';
import { keyOf, tableSql } from '../policy/plan-policy.js';
import { POLICY_SCHEMA } from '../policy/policy-texts.js';
import type { Field, Model } from '../prisma-schema/prisma-schema.types.js';
import { isReplaced, type ModelRules } from '../prisma-schema/rules.js';
import { fieldOf, type OwnerGraph } from './owner-graph.js';

/** A statement that node-postgres and Prisma's client (`$queryRawUnsafe(sql, ...values)`) both can run. */
export interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** Rows of one model, from which a plan starts. */
export interface Rows {
  readonly model: string;
  /** A condition on the alias `t`, with the parameters `$1` and following. */
  readonly where: string;
  readonly values: readonly unknown[];
}

/** The number of affected rows of a model: what plans that change rows answer, a row for each model. */
export interface AffectedRows {
  readonly model: string;
  readonly rows: number;
}

/** The names of a table and its key, as SQL. */
export interface TableSql {
  /** `"public"."users"`. */
  readonly name: string;
  /** The columns of the key. */
  readonly key: readonly string[];
  /** The name of the table as the ledger has it, as an expression. */
  readonly ledgerName: string;
  /** The columns of the key that are personal themselves. */
  readonly personalKey: readonly string[];
  /** Those whose text depends on settings of the session. */
  readonly unsteadyKey: ReadonlySet<string>;
}

/** Types whose text is not the same in every session. */
const UNSTEADY_TYPES: ReadonlySet<string> = new Set(['DateTime', 'Float', 'Bytes', 'Unsupported']);

function isUnsteady({ type, nativeType }: Field): boolean {
  return UNSTEADY_TYPES.has(type) || nativeType === 'Money';
}

/** Returns the names of a model's table. @throws PgkeepError `POLICY_INVALID` where its rows have no key. */
export function tableOf({ defaultSchema }: OwnerGraph, { model, fields }: ModelRules): TableSql {
  const name = tableSql({ schema: model.schema ?? defaultSchema, table: model.table });
  const key = keyFields(model);
  return {
    name,
    key: key.map(({ column }) => column),
    personalKey: key.filter(({ name: field }) => isReplaced(fields.get(field))).map(({ column }) => column),
    unsteadyKey: new Set(key.filter((field) => isUnsteady(field)).map(({ column }) => column)),
    ledgerName: `${POLICY_SCHEMA}.name_of(${escapeLiteral(name)}::pg_catalog.regclass)`,
  };
}

/** Returns the fields of the key. @throws PgkeepError `POLICY_INVALID` where there is none. */
export function keyFields(model: Model): Field[] {
  const fields = keyOf(model).flatMap((name) => fieldOf(model, name) ?? []);
  if (fields.length > 0) return fields;
  throw new PgkeepError(
    'POLICY_INVALID',
    `Model ${model.name} has no key: neither @id nor a unique index of required fields. Its rows cannot be named in the ledger.`,
    { hint: 'Add a primary key to the model.' },
  );
}

/** Returns the row with this key. @param key values of the key's fields, by the name of the field */
export function oneRow(graph: OwnerGraph, model: string, key: Readonly<Record<string, unknown>>): Rows {
  const fields = keyFields(graph.model(model).model);
  return {
    model,
    where: fields.map(({ column }, index) => `t.${escapeIdentifier(column)} = $${index + 1}`).join(' AND '),
    values: fields.map(({ name }) => key[name]),
  };
}

/**
 * Returns parameters as the key of a row that may not exist, as a FROM item `t`: with the types of the columns, which the
 * ledger's keys depend on. @param first the number of the first parameter
 */
export function typedKey({ name, key }: TableSql, first: number): string {
  const columns = key.map(
    (column) => `(NULL::${name}).${escapeIdentifier(column)} AS ${escapeIdentifier(column)}`,
  );
  const values = key.map((_, index) => `$${first + index}`);
  return `(SELECT ${columns.join(', ')} WHERE false UNION ALL SELECT ${values.join(', ')}) t`;
}

/** Returns the key of a row as the ledger has it, as an expression. @param column returns a column of the row as SQL */
export function ledgerKey(table: TableSql, column: (name: string) => string): string {
  const { personalKey, ledgerName } = table;
  const plain = keyObject(table, column);
  if (personalKey.length === 0) return plain;
  const personal = `ARRAY[${personalKey.map((name) => escapeLiteral(name)).join(', ')}]::text[]`;
  return `${POLICY_SCHEMA}.ledger_key(${ledgerName}, ${plain}, ${personal})`;
}

/**
 * Returns 64 hexadecimal digits that stand for a row, as an expression: a salted hash of its table and its key, never of
 * its values. The same row always gets the same digits, and they say nothing about the person.
 */
export function tokenOf(table: TableSql, column: (name: string) => string): string {
  return `${POLICY_SCHEMA}.ledger_key(${table.ledgerName}, jsonb_build_object('token', ${keyObject(table, column)}), ARRAY['token']) -> 'token' ->> 'sha256'`;
}

function keyObject({ key, unsteadyKey }: TableSql, column: (name: string) => string): string {
  const values = key.map((name) => {
    const value = unsteadyKey.has(name) ? `${POLICY_SCHEMA}.key_value(${column(name)})` : column(name);
    return `${escapeLiteral(name)}, ${value}`;
  });
  return `jsonb_build_object(${values.join(', ')})`;
}

/** Returns the columns of an alias. */
export function columnsOf(alias: string): (name: string) => string {
  return (name) => `${alias}.${escapeIdentifier(name)}`;
}

/** Returns whether the column has a time zone; Prisma keeps UTC in one that has none. */
export function isZoned({ nativeType = '' }: Field): boolean {
  return nativeType.startsWith('Timestamptz');
}

/** Returns the statement that opens an action in the current transaction; it answers with `id`. */
export function openAction(
  action: string,
  { by, reason }: { readonly by: string | null; readonly reason: string | null },
): Statement {
  return { sql: `SELECT ${POLICY_SCHEMA}.open_action($1, $2, $3)::text AS id`, values: [action, by, reason] };
}

/** Returns SQL that counts the rows of a CTE and records their keys in the ledger. */
export function recordedRows(
  cte: string,
  { model, table, action, what }: { model: string; table: TableSql; action: string; what: string },
): string {
  const record = `${POLICY_SCHEMA}.record_rows(${action}::uuid, ${table.ledgerName}, jsonb_agg(${cte}.key), ${escapeLiteral(what)})`;
  // Prisma cannot read a column of type void.
  return `SELECT ${escapeLiteral(model)} AS model, count(*)::int AS rows, ${record} IS NULL AS unrecorded FROM ${cte}`;
}
