import type { ColumnType } from './type-name.js';

/** Changes of name that PostgreSQL makes in the catalogue alone, without looking at a row. */
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

/** Types to which leaving out the number means "as much as there is". */
const UNLIMITED = new Set(['varchar', 'varbit', 'numeric', 'timestamp', 'timestamptz', 'time', 'timetz']);

/**
 * Whether a column can take another type without its table being rewritten. Says no where it cannot tell: a type
 * of the application's own may be a domain, whose constraint every row is checked against.
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

/** The first number (length, precision) may grow; a second one (scale) must stay. */
function widens(from: ColumnType, to: ColumnType): boolean {
  const [before, ...scaleBefore] = from.modifiers;
  const [after, ...scaleAfter] = to.modifiers;
  if (before === undefined || after === undefined) return after === undefined;
  return after >= before && (scaleBefore[0] ?? 0) === (scaleAfter[0] ?? 0);
}
