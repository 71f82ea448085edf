import type { ColumnDef, Node, TypeName } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import { constraintsOf, lastName, stringsOf, walk } from '../sql/syntax-tree.js';

/** A column's type: its name in the catalogue, and its modifiers (a length; precision and scale). */
export interface ColumnType {
  readonly name: string;
  readonly modifiers: readonly number[];
  readonly isArray: boolean;
  /** As it is written in SQL. */
  readonly sql: string;
}

/** The usual spelling of types that the grammar renames. */
const SPELLINGS: Readonly<Record<string, string>> = {
  int2: 'SMALLINT',
  int4: 'INTEGER',
  int8: 'BIGINT',
  float4: 'REAL',
  float8: 'DOUBLE PRECISION',
  bool: 'BOOLEAN',
  bpchar: 'CHAR',
  varbit: 'BIT VARYING',
  varchar: 'VARCHAR',
  numeric: 'DECIMAL',
  timestamptz: 'TIMESTAMPTZ',
  timetz: 'TIMETZ',
};

/** Other names of one type. */
const ALIASES: Readonly<Record<string, string>> = { decimal: 'numeric', int: 'int4', bigint: 'int8' };

const SERIALS = /^(small|big)?serial[248]?$/;

export function isSerial({ name }: ColumnType): boolean {
  return SERIALS.test(name);
}

export function columnType(type: TypeName | undefined): ColumnType {
  const parts = stringsOf(type?.names);
  const isBuiltIn = parts[0] === 'pg_catalog';
  const written = parts.at(-1) ?? '';
  const name = ALIASES[written] ?? written;
  const modifiers = (type?.typmods ?? []).flatMap(integerOf);
  const isArray = (type?.arrayBounds ?? []).length > 0;
  // The modifiers of an interval are bit masks, which cannot be written.
  const brackets = modifiers.length > 0 && name !== 'interval' ? `(${modifiers.join(',')})` : '';
  const spelling = SPELLINGS[name] ?? (isBuiltIn ? name.toUpperCase() : parts.map(plainOrQuoted).join('.'));
  return { name, modifiers, isArray, sql: `${spelling}${brackets}${isArray ? '[]' : ''}` };
}

function integerOf(node: Node): number[] {
  return 'A_Const' in node && node.A_Const.ival ? [node.A_Const.ival.ival ?? 0] : [];
}

/** Spells a type as Prisma does: built-in types in capitals, types of the application in quotes. */
function plainOrQuoted(part: string): string {
  return /^(text|uuid|json|jsonb|date|bytea|citext|inet|cidr|xml|money|bit|oid|time|timestamp|interval)$/.test(
    part,
  ) || SERIALS.test(part)
    ? part.toUpperCase()
    : escapeIdentifier(part);
}

/** Type changes that PostgreSQL makes in the catalogue only, without reading a row. */
const COMPATIBLE = new Set(['varchar text', 'text varchar', 'cidr inet', 'int4 oid', 'oid int4']);

/** Types whose length or precision may grow in place. */
const WIDENS = new Set([
  'varchar',
  'varbit',
  'numeric',
  'timestamp',
  'timestamptz',
  'time',
  'timetz',
  'interval',
]);

/** Types that have no limit without a number. */
const UNLIMITED = new Set(['varchar', 'varbit', 'numeric', 'timestamp', 'timestamptz', 'time', 'timetz']);

/**
 * Returns whether a type change does not rewrite the table. False if that is not certain: a type of the application
 * may be a domain, and PostgreSQL checks every row against the constraints of a domain.
 */
export function isFreeTypeChange(from: ColumnType, to: ColumnType): boolean {
  if (from.isArray !== to.isArray) return false;
  const isUnlimited = to.modifiers.length === 0 && UNLIMITED.has(to.name);
  if (from.name === to.name) {
    if (sameModifiers(from, to)) return true;
    return !from.isArray && WIDENS.has(to.name) && (isUnlimited || widens(from, to));
  }
  if (from.isArray || !COMPATIBLE.has(`${from.name} ${to.name}`)) return false;
  return to.name !== 'varchar' || isUnlimited;
}

function sameModifiers(from: ColumnType, to: ColumnType): boolean {
  return from.modifiers.join() === to.modifiers.join();
}

/** Returns whether the first number (length, precision) does not shrink, and the second one (scale) stays. */
function widens(from: ColumnType, to: ColumnType): boolean {
  const [before, ...scaleBefore] = from.modifiers;
  const [after, ...scaleAfter] = to.modifiers;
  if (before === undefined || after === undefined) return after === undefined;
  return after >= before && (scaleBefore[0] ?? 0) === (scaleAfter[0] ?? 0);
}

/** PostgreSQL's functions that give every row the same value, which is computed once and stored in the catalogue. */
const SAME_FOR_ALL_ROWS = new Set(
  (
    'now transaction_timestamp statement_timestamp current_setting current_database current_schema ' +
    'lower upper md5 length concat concat_ws replace substr substring trim btrim ltrim rtrim lpad rpad left right ' +
    'encode decode convert_to digest sha256 sha512 format abs ceil floor round trunc power sqrt mod greatest least ' +
    'to_char to_date to_number to_timestamp to_json to_jsonb json_build_object jsonb_build_object json_build_array ' +
    'jsonb_build_array array_append array_prepend string_to_array date_trunc date_part extract age make_date ' +
    'make_time make_timestamp make_timestamptz make_interval timezone int4range int8range numrange daterange ' +
    'tsrange tstzrange to_tsvector point box'
  ).split(' '),
);

/** How existing rows get the value of a new column. */
type ExistingValue =
  | { readonly kind: 'null' }
  /** The same for all rows, stored in the catalogue: no row is rewritten. */
  | { readonly kind: 'constant' }
  /** Computed for every row: the table is rewritten. `what` says why. */
  | { readonly kind: 'computed'; readonly what: string };

export function existingValue(column: ColumnDef): ExistingValue {
  const type = columnType(column.typeName);
  if (isSerial(type)) return { kind: 'computed', what: `${type.sql} numbers every row` };
  for (const { contype, raw_expr: expression, generated_kind: kind } of constraintsOf(column.constraints)) {
    if (contype === 'CONSTR_IDENTITY') return { kind: 'computed', what: 'an identity numbers every row' };
    if (contype === 'CONSTR_GENERATED') {
      // 'v' is PostgreSQL 18's VIRTUAL: computed when it is read.
      return kind === 'v'
        ? { kind: 'constant' }
        : { kind: 'computed', what: 'a stored generated column is computed for every row' };
    }
    if (contype === 'CONSTR_DEFAULT' && expression) return ofDefault(expression);
  }
  return { kind: 'null' };
}

function ofDefault(expression: Node): ExistingValue {
  if ('A_Const' in expression && expression.A_Const.isnull) return { kind: 'null' };
  let volatile: string | undefined;
  walk(expression, (node) => {
    if (!('FuncCall' in node)) return;
    const name = lastName(node.FuncCall.funcname);
    if (!SAME_FOR_ALL_ROWS.has(name)) volatile ??= name;
  });
  return volatile === undefined
    ? { kind: 'constant' }
    : { kind: 'computed', what: `${volatile}() is called for every row` };
}
