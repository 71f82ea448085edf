import { type ClientBase, escapeIdentifier, escapeLiteral } from 'pg';
import { hashedValue } from '../policy/ledger-key-sql.js';
import type { Model } from '../prisma-schema/prisma-schema.types.js';
import { isReplaced, type DeleteRule, type ModelRules, type Rules } from '../prisma-schema/rules.js';
import { keyFields } from './row-sql.js';

/** A column, with its type as SQL. */
export interface Column {
  readonly name: string;
  readonly type: string;
}

/** A table of a model, as it is in one database. */
export interface RowTable {
  /** Undefined for a table that no model describes. */
  readonly rules: ModelRules | undefined;
  readonly oid: number;
  /** Its name in the ledger: with its schema, quoted where PostgreSQL requires it. */
  readonly name: string;
  /** Its name as SQL, always quoted. */
  readonly sql: string;
  readonly deleteRule: DeleteRule | undefined;
  /** The primary key. */
  readonly key: readonly Column[];
  /** Columns of the key that are personal themselves: the ledger holds a salted hash of them. */
  readonly personalKey: ReadonlySet<string>;
  /** The column of `deletedAt`; undefined if rows of this table are not marked. */
  readonly deletedAt: Column | undefined;
  /** The column of `deletedBy`. */
  readonly deletedBy: Column | undefined;
}

const TABLES = `
  SELECT w.model, c.oid::int8::text AS oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
         (SELECT pg_catalog.jsonb_object_agg(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
            FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS types
    FROM pg_catalog.jsonb_to_recordset($1) AS w (model text, schema text, "table" text)
    JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w."table" AND c.relkind IN ('r', 'p')`;

/**
 * Reads the tables of the models from a database. A table that does not exist there, or lacks a column of its key, is
 * left out.
 * @param defaultSchema the PostgreSQL schema of models without `@@schema`
 */
export async function readRowTables(
  client: ClientBase,
  { models }: Rules,
  defaultSchema: string,
): Promise<RowTable[]> {
  const wanted = [...models.values()].map(({ model }) => ({
    model: model.name,
    schema: model.schema ?? defaultSchema,
    table: model.table,
  }));
  const { rows } = await client.query<{
    model: string;
    oid: string;
    name: string;
    types: Readonly<Record<string, string>> | null;
  }>(TABLES, [JSON.stringify(wanted)]);
  const found = new Map(rows.map((row) => [row.model, row]));
  return [...models.values()].flatMap((rules) => {
    const row = found.get(rules.model.name);
    return row ? tableOf(rules, row, defaultSchema) : [];
  });
}

function tableOf(
  rules: ModelRules,
  { oid, name, types }: { oid: string; name: string; types: Readonly<Record<string, string>> | null },
  defaultSchema: string,
): RowTable[] {
  const { model } = rules;
  const columnOf = (field: string): Column | undefined => {
    const column = model.fields.find((known) => known.name === field)?.column;
    const type = column === undefined ? undefined : types?.[column];
    return column === undefined || type === undefined ? undefined : { name: column, type };
  };
  const names = keyNames(model);
  const key = names.flatMap((field) => columnOf(field) ?? []);
  if (key.length === 0 || key.length < names.length) return [];
  const personal = names
    .filter((field) => isReplaced(rules.fields.get(field)))
    .flatMap((field) => columnOf(field)?.name ?? []);
  return [
    {
      rules,
      oid: Number(oid),
      name,
      sql: `${escapeIdentifier(model.schema ?? defaultSchema)}.${escapeIdentifier(model.table)}`,
      deleteRule: rules.deleteRule,
      key,
      personalKey: new Set(personal),
      deletedAt: rules.deletedAt && columnOf(rules.deletedAt.name),
      deletedBy: columnOf('deletedBy'),
    },
  ];
}

/** Returns the names of the key's fields; none for a model whose rows cannot be named in the ledger. */
function keyNames(model: Model): string[] {
  try {
    return keyFields(model).map(({ name }) => name);
  } catch {
    return [];
  }
}

/**
 * Returns the key of a row as SQL, a jsonb object, as the ledger holds it. For sessions of pgkeep's own, and without the
 * functions of the policy, which a restored database may lack.
 */
export function keySql({ name, key, personalKey }: RowTable, alias: string): string {
  const hashed = (value: string): string =>
    hashedValue(
      escapeLiteral(name),
      `pg_catalog.to_jsonb(${value})`,
      '(SELECT salt FROM pgkeep.privacy_salt)',
    );
  const parts = key.map((column) => {
    const value = `${alias}.${escapeIdentifier(column.name)}`;
    return `${escapeLiteral(column.name)}, ${personalKey.has(column.name) ? hashed(value) : value}`;
  });
  return `pg_catalog.jsonb_build_object(${parts.join(', ')})`;
}

/**
 * Returns a condition as SQL: the row has one of the keys of a JSON array in `parameter`. By its index; a key with a
 * hash is looked for in every row.
 */
export function hasKey(table: RowTable, alias: string, parameter: string): string {
  if (table.personalKey.size > 0) {
    return `${keySql(table, alias)} IN (SELECT pg_catalog.jsonb_array_elements(${parameter}::jsonb))`;
  }
  const names = table.key.map(({ name }) => escapeIdentifier(name));
  const columns = table.key.map(({ name, type }) => `${escapeIdentifier(name)} ${type}`).join(', ');
  return `(${names.map((name) => `${alias}.${name}`).join(', ')}) IN (SELECT ${names.map((name) => `k.${name}`).join(', ')}
    FROM pg_catalog.jsonb_to_recordset(${parameter}::jsonb) AS k (${columns}))`;
}

/** Returns a column's time in UTC as SQL, a timestamp without time zone: what Prisma stores in one is UTC. */
export function utcSql({ name, type }: Column, alias: string): string {
  const column = `${alias}.${escapeIdentifier(name)}`;
  return type.endsWith('with time zone') ? `(${column} AT TIME ZONE 'UTC')` : `${column}::timestamp`;
}

/** Returns a timestamp without time zone, in UTC, as SQL that makes ISO 8601 with microseconds of it. */
export function isoSql(utc: string): string {
  return `pg_catalog.to_char(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}
