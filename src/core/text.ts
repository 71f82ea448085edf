/** How many names of a longer list a sentence shows. */
const SHOWN = 8;

/** Returns `a, b, c`; of more names than `shown` the first ones and how many follow: `a, b and 412 more`. */
export function boundedList(names: readonly string[], shown: number = SHOWN, separator = ', '): string {
  const rest = names.length - shown;
  const text = names.slice(0, shown).join(separator);
  return rest > 0 ? `${text} and ${formatCount(rest)} more` : text;
}

/** Returns `table a` or `2 tables a, b`: the noun with its count, and the names. */
export function countedList(noun: string, names: readonly string[], shown: number = SHOWN): string {
  return `${names.length === 1 ? noun : counted(names.length, noun)} ${boundedList(names, shown)}`;
}

/** Returns `1 row` or `7,172 rows`. @param plural the plural, if it is not regular */
export function counted(count: number, noun: string, plural?: string): string {
  return `${formatCount(count)} ${pluralOf(count, noun, plural)}`;
}

/** Returns the singular for a count of 1, and the plural for every other. */
export function pluralOf(count: number, singular: string, plural = pluralForm(singular)): string {
  return count === 1 ? singular : plural;
}

function pluralForm(noun: string): string {
  if (noun.endsWith('x')) return `${noun}es`;
  return /[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`;
}

/** Returns `7,172`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** Returns `202.4 MB`; 1 kB is 1,024 bytes. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Returns `0.8 s`. */
export function formatSeconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}

/** Returns an ISO time as people read it, in UTC: `2026-02-07 12:00:00`. */
export function formatTime(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}

/** Returns an ISO time without its seconds: `2026-02-07 12:00`. */
export function formatMinute(iso: string): string {
  return formatTime(iso).slice(0, 16);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Returns a text as HTML shows it, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** Returns a message without its full stop, to continue the sentence. */
export function withoutStop(text: string): string {
  return text.replace(/\.$/, '');
}

/**
 * Returns foreign text (a migration, the name of an object) without the characters that would control the terminal.
 * Newlines and tabs stay.
 */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => (/[\n\t]/.test(character) ? character : '\uFFFD'));
}

/** Returns foreign text for a cell of a table: without newlines and tabs, too. */
export function printableCell(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\uFFFD');
}

/** Returns a word as a POSIX shell takes it: quoted if it contains anything special. */
export function shellWord(text: string): string {
  return /^[\w.:,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Returns an SQL identifier as people read it: quoted only if it has to be. Not for reserved words. */
export function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
