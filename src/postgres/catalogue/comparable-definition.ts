/** What is quoted: a string, or an identifier. */
const QUOTED = /('(?:[^']|'')*'|"(?:[^"]|"")*")/;
/** A cast to a type: `::text`, `::character varying(20)[]`, `::public.mood`. */
const CAST =
  /::(?:character varying|double precision|bit varying|timestamp with(?:out)? time zone|time with(?:out)? time zone|[\w.]+)(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])*/g;

/**
 * A definition as a comparison wants it. PostgreSQL does not write the same expression the same way after a
 * restore (`'a'::character varying … ::text[]` becomes `('a'::character varying)::text`): casts, parentheses and
 * blanks outside of quotes are left out. Which column, operator, constant, action and state it is remains.
 */
export function comparableDefinition(definition: string): string {
  return definition
    .split(QUOTED)
    .map((part, index) => (index % 2 === 1 ? part : comparableWords(part)))
    .filter((part) => part !== '')
    .join(' ');
}

function comparableWords(unquoted: string): string {
  return unquoted
    .replaceAll(CAST, ' ')
    .replaceAll(/[()]/g, ' ')
    .replaceAll(/[[\],]/g, ' $& ')
    .trim()
    .replaceAll(/\s+/g, ' ');
}
