import type { DriftedObject } from '../drift/drift.types.js';

/** A word of SQL: an identifier, quoted or not, or a keyword. */
const WORD = /"(?:[^"]|"")+"|[\p{L}\p{N}_$]+/gu;

/** What has no name but that of its table or view. */
const NAMELESS = /^(?:table|foreign table|view|materialized view)$/;

/**
 * Whether a migration names an object, and the table it belongs to: `ADD COLUMN IF NOT EXISTS` for a column that was
 * made by hand says that it is to be there, though it changes nothing. Pure.
 * @param temporary names that mean temporary relations in it, in lower case: those are other objects
 */
export function namesObject(
  sql: string,
  { home, object }: DriftedObject,
  temporary: ReadonlySet<string> = new Set(),
): boolean {
  const [relation] = home === '' ? ownWords(object) : wordsOf(home).slice(-1);
  if (relation !== undefined && temporary.has(relation.toLowerCase())) return false;
  const words = new Set(wordsOf(sql).map((word) => word.toLowerCase()));
  return [...wordsOf(home).slice(-1), ...ownWords(object)].every((word) => words.has(word.toLowerCase()));
}

function ownWords(object: string): string[] {
  if (NAMELESS.test(object)) return [];
  // Behind the name of a function its arguments follow.
  const words = wordsOf(object.replace(/\(.*/s, ''));
  return object === 'row security' ? words : words.slice(-1);
}

function wordsOf(text: string): string[] {
  return (text.match(WORD) ?? []).map((word) =>
    word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word,
  );
}
