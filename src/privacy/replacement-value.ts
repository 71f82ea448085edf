import { escapeLiteral } from 'pg';
import { PgkeepError } from '../core/errors.js';
import type { Field } from '../prisma-schema/prisma-schema.types.js';
import type { PersonalMethod } from '../prisma-schema/rules.js';

/** A personal value that is replaced. */
export interface PersonalValue {
  readonly model: string;
  readonly field: Field;
  readonly method: PersonalMethod | 'default';
  /** Whether the value is part of a unique index. */
  readonly isUnique: boolean;
  /** The column, as SQL. */
  readonly column: string;
}

/** 64 hexadecimal digits that stand for the row, as SQL. */
const TOKEN = 'k.token';
/** The same as decimal digits. */
const DIGITS = `translate(${TOKEN}, 'abcdef', '012345')`;

/**
 * Returns what stands for a personal value, as SQL that jsonb can hold: made of the row's key (`k.token`), fitted to type,
 * length and uniqueness; undefined where the value stays. A missing value stays missing.
 * @throws PgkeepError `POLICY_INVALID` for a type that nothing replaces.
 */
export function replacementOf(value: PersonalValue): string | undefined {
  const { field, method, column } = value;
  if (method === 'keep') return undefined;
  if (method === 'null' || (method === 'default' && field.isOptional)) return 'NULL';
  const sql = field.isList ? `'[]'::jsonb` : requiredReplacement(value);
  return field.isOptional ? `CASE WHEN ${column} IS NOT NULL THEN ${sql} END` : sql;
}

function requiredReplacement(value: PersonalValue): string {
  const { field, method, column, isUnique } = value;
  const max = maxLength(field);
  switch (method) {
    case 'email':
      return around('erased-', '@erased.invalid', 16, max);
    case 'url':
      return around('https://erased.invalid/', '', 16, max);
    case 'phone':
      return max < 8 ? `left(${DIGITS}, ${max})` : `'+000' || left(${DIGITS}, ${Math.min(11, max - 4)})`;
    case 'name':
      return word('Erased', 12, max, isUnique);
    case 'text':
      return word('erased', 16, max, isUnique);
    case 'digits':
      return field.type === 'String' ? sameLength(column) : sameDigits(column);
    case 'year':
      return firstOfYear(field, column);
    case 'secret':
      if (field.type === 'Bytes') return bytes(isUnique);
      return isUnique ? `left('!' || ${TOKEN}, ${Math.min(17, max)})` : `'!'`;
    case 'uuid':
      return UUID;
    case 'ip':
      return isUnique ? UNIQUE_ADDRESS : `'0.0.0.0'`;
    case 'json':
      return emptyDocument(column);
    default:
      return byType(value, max);
  }
}

/** What stands for a required value without a method. */
function byType({ model, field, column, isUnique }: PersonalValue, max: number): string {
  switch (field.type) {
    case 'String':
      if (/^Uuid\b/.test(field.nativeType ?? '')) return UUID;
      if (/^Inet\b/.test(field.nativeType ?? '')) return isUnique ? UNIQUE_ADDRESS : `'0.0.0.0'`;
      return word('erased', 16, max, isUnique);
    case 'Int':
    case 'BigInt':
    case 'Decimal':
    case 'Float':
      return isUnique ? sameDigits(column) : '0';
    case 'Boolean':
      return 'false';
    case 'DateTime':
      return firstOfYear(field, column);
    case 'Json':
      return emptyDocument(column);
    case 'Bytes':
      return bytes(isUnique);
    case 'Unsupported':
      throw new PgkeepError(
        'POLICY_INVALID',
        `Cannot replace ${model}.${field.name}: its type is not one of Prisma’s, and the field is required.`,
        { hint: 'Make the field optional, or write @pgkeep.personal(keep) or @pgkeep.notPersonal.' },
      );
    default:
      // An enum: its first value.
      return `to_jsonb((enum_range(${column}))[1])`;
  }
}

/** The longest value that the column takes; Infinity without a limit. */
function maxLength({ nativeType = '' }: Field): number {
  return Number(
    /^(?:VarChar|Char)\((\d+)\)$/.exec(nativeType)?.[1] ?? (nativeType === 'Char' ? 1 : Infinity),
  );
}

/** The token between two constants, shortened to what the column takes. */
function around(before: string, after: string, wanted: number, max: number): string {
  const room = max - before.length - after.length;
  if (room < 1) return `left(${TOKEN}, ${Math.min(wanted, max)})`;
  const tail = after === '' ? '' : ` || ${escapeLiteral(after)}`;
  return `${escapeLiteral(before)} || left(${TOKEN}, ${Math.min(wanted, room)})${tail}`;
}

/** Fewer digits of the token than this do not make a value unique. */
const ENOUGH_DIGITS = 8;

/** A word; with the token where the value must be unique. */
function word(text: string, digits: number, max: number, isUnique: boolean): string {
  if (!isUnique) return escapeLiteral(text.slice(0, Number.isFinite(max) ? max : undefined));
  const room = max - text.length - 1;
  if (room < ENOUGH_DIGITS) return `left(${TOKEN}, ${Math.min(digits, max)})`;
  return `${escapeLiteral(`${text} `)} || left(${TOKEN}, ${Math.min(digits, room)})`;
}

/** As many digits as the text has characters. The first of many is 0: no authority gave this number to anyone. */
function sameLength(column: string): string {
  return `CASE WHEN length(${column}) >= ${ENOUGH_DIGITS} THEN '0' || left(${DIGITS}, length(${column}) - 1) ELSE left(${DIGITS}, length(${column})) END`;
}

/** A positive number with as many digits: it begins with 1, which every type of the length has room for. */
function sameDigits(column: string): string {
  return `('1' || left(${DIGITS}, length(trunc(abs(${column}))::text) - 1))::numeric`;
}

/** The first day of the year; of a time, midnight. */
function firstOfYear({ nativeType = '' }: Field, column: string): string {
  if (/^Timetz\b|^Time\b/.test(nativeType)) return `'00:00:00'`;
  // Independent of the session's time zone: the same value each time.
  return nativeType.startsWith('Timestamptz')
    ? `date_trunc('year', ${column} AT TIME ZONE 'UTC')::text || 'Z'`
    : `date_trunc('year', ${column}::timestamp)::text`;
}

function bytes(isUnique: boolean): string {
  return isUnique ? String.raw`'\x' || ${TOKEN}` : String.raw`'\x'`;
}

/** An empty list for a list, and an empty object for anything else. */
function emptyDocument(column: string): string {
  return `CASE jsonb_typeof(to_jsonb(${column})) WHEN 'array' THEN '[]'::jsonb ELSE '{}'::jsonb END`;
}

/** A UUID of version 4 (RFC 9562), made of the token. */
const UUID = [
  `left(${TOKEN}, 8)`,
  `substr(${TOKEN}, 9, 4)`,
  `'4' || substr(${TOKEN}, 13, 3)`,
  `'8' || substr(${TOKEN}, 16, 3)`,
  `substr(${TOKEN}, 19, 12)`,
].join(` || '-' || `);

/** An address of the range that is set aside for documentation (RFC 3849). */
const UNIQUE_ADDRESS = `'2001:db8:' || substr(${TOKEN}, 1, 4) || ':' || substr(${TOKEN}, 5, 4) || ':' || substr(${TOKEN}, 9, 4) || ':' || substr(${TOKEN}, 13, 4) || ':' || substr(${TOKEN}, 17, 4) || ':' || substr(${TOKEN}, 21, 4)`;
