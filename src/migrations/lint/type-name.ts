import type { Node, TypeName } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import { stringsOf } from './ast.js';

/** A column's type: its name in the catalogue, and its modifiers (a length; precision and scale). */
export interface ColumnType {
  readonly name: string;
  readonly modifiers: readonly number[];
  readonly isArray: boolean;
  /** As it is written in SQL. */
  readonly sql: string;
}

/** How people write the types that the grammar renames. */
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
  // The modifiers of an interval are bit masks that nobody writes.
  const brackets = modifiers.length > 0 && name !== 'interval' ? `(${modifiers.join(',')})` : '';
  const spelling = SPELLINGS[name] ?? (isBuiltIn ? name.toUpperCase() : parts.map(plainOrQuoted).join('.'));
  return { name, modifiers, isArray, sql: `${spelling}${brackets}${isArray ? '[]' : ''}` };
}

function integerOf(node: Node): number[] {
  return 'A_Const' in node && node.A_Const.ival ? [node.A_Const.ival.ival ?? 0] : [];
}

/** Prisma writes built-in types in capitals, and everything of the application's own in quotes. */
function plainOrQuoted(part: string): string {
  return /^(text|uuid|json|jsonb|date|bytea|citext|inet|cidr|xml|money|bit|oid|time|timestamp|interval)$/.test(
    part,
  ) || SERIALS.test(part)
    ? part.toUpperCase()
    : escapeIdentifier(part);
}
