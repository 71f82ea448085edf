import type { Client } from 'pg';
import { majorOf } from '../../backup/postgres-tools.js';
import { isGuardSection } from '../../guard/ddl/ddl-guard-sql.js';

const SECTION = /^-- (?:Data for )?Name: |^-- PostgreSQL database dump complete/;

/** Rows follow up to the closing line; they contain no comments. The table's name may contain line breaks. */
const ROWS_FOLLOW = / FROM stdin;$/;

/** Settings that pg_dump writes between two entries; others may be lines of a function's body. */
const SETTING_BEHIND = /^SET default_(?:tablespace|table_access_method|with_oids) = /;

const END_OF_ROWS = '\n\\.\n';

const NEWLINE = 0x0a;

/** The last line of a plain dump: the only sign that the dump is complete. */
const CLOSING_LINE = '-- PostgreSQL database dump complete';

/** The closing line is within this many bytes of the end. */
const TAIL_BYTES = 1024;

/** The first entry: a dump's settings come before it. */
const FIRST_SECTION = /^-- (?:Data for )?Name: /m;

const SETTING = /^SET (\w+) = .*\n/gm;

/** An upper limit of what a dump has before its first entry. */
const LONGEST_HEADER = 1_048_576;

interface HeaderRules {
  /** The names of the server's settings. */
  readonly known: ReadonlySet<string>;
  /** The first line, which disables psql's commands, if the dump does not have it already. */
  readonly restrict: string;
  /** Called with the name of each setting that is left out. */
  readonly onLeftOut: (name: string) => void;
}

/** The first release of each major version whose psql has `\restrict`; later ones have it from the beginning. */
const FIRST_WITH_RESTRICT: Readonly<Record<number, number>> = { 13: 22, 14: 19, 15: 14, 16: 10, 17: 6 };

/**
 * Leaves entries out of a plain dump.
 * @param isLeftOut called with the comment above each entry
 * @param onFound called once, for the first entry that is left out
 * @param onSection called with the comment above each kept entry, and the number of its line in the result
 */
export async function* withoutSections(
  dump: AsyncIterable<Buffer>,
  isLeftOut: (comment: string) => boolean,
  onFound: () => void,
  onSection: (comment: string, line: number) => void = () => undefined,
): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  let inRows = false;
  let isOut = false;
  let wasFound = false;
  let lines = 1;
  const passed = (piece: Buffer): Buffer => {
    for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, at + 1)) lines += 1;
    return piece;
  };
  for await (const chunk of dump) {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      if (inRows) {
        const end = rest.indexOf(END_OF_ROWS);
        // The closing line may be split between two chunks.
        const known = end === -1 ? rest.length - END_OF_ROWS.length : end + END_OF_ROWS.length;
        if (known > 0) {
          if (!isOut) yield passed(rest.subarray(0, known));
          rest = rest.subarray(known);
        }
        if (end === -1) break;
        inRows = false;
      }
      const end = rest.indexOf(NEWLINE);
      if (end === -1) break;
      const line = rest.toString('latin1', 0, end);
      if (SECTION.test(line)) {
        const comment = rest.toString('utf8', 0, end);
        isOut = isLeftOut(comment);
        if (isOut && !wasFound) onFound();
        wasFound ||= isOut;
        if (!isOut) onSection(comment, lines);
      }
      inRows = ROWS_FOLLOW.test(line);
      // The newline stays before the rows, which may be empty. A setting belongs to the next entry.
      const taken = inRows ? end : end + 1;
      if (!isOut || SETTING_BEHIND.test(line)) yield passed(rest.subarray(0, taken));
      rest = rest.subarray(taken);
    }
  }
  if (!isOut) yield rest;
}

/** A plain dump does not have its closing line. */
class IncompleteDumpError extends Error {
  override readonly name = 'IncompleteDumpError';

  constructor() {
    super('the dump is incomplete: its last line is missing');
  }
}

/**
 * Passes a plain dump on, and fails at its end if the closing line is missing: psql would accept a cut dump. The dump is
 * not restored in one transaction, which would lock all tables: the database is new, and dropped if the restore fails.
 * @throws IncompleteDumpError at the end; what the source throws.
 */
export async function* completeDump(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let tail = '';
  for await (const piece of source) {
    tail = (tail + piece.subarray(-TAIL_BYTES).toString('latin1')).slice(-TAIL_BYTES);
    yield piece;
  }
  if (!tail.includes(CLOSING_LINE)) throw new IncompleteDumpError();
}

/** Reads the names of a server's settings. */
export async function readSettingNames(client: Client): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ name: string }>('SELECT name FROM pg_catalog.pg_settings');
  return new Set(rows.map(({ name }) => name.toLowerCase()));
}

/**
 * Removes the settings that the server does not have: pg_dump and pg_restore write those of their version (17:
 * `SET transaction_timeout = 0`), and an older server rejects them. Only the header is changed, not a function's body.
 */
export async function* withKnownSettings(
  dump: AsyncIterable<Buffer>,
  rules: HeaderRules,
): AsyncGenerator<Buffer> {
  let header: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of dump) {
    if (header === undefined) {
      yield chunk;
      continue;
    }
    header = Buffer.concat([header, chunk]);
    const end = header.toString('latin1').search(FIRST_SECTION);
    if (end < 0 && header.length < LONGEST_HEADER) continue;
    yield cleaned(header.subarray(0, Math.max(0, end)), rules);
    yield header.subarray(Math.max(0, end));
    header = undefined;
  }
  // A dump of an empty database has no entry.
  if (header !== undefined) yield cleaned(header, rules);
}

function cleaned(header: Buffer, { known, restrict, onLeftOut }: HeaderRules): Buffer {
  const text = header.toString('latin1').replaceAll(SETTING, (statement, name: string) => {
    if (known.has(name.toLowerCase())) return statement;
    onLeftOut(name);
    return '';
  });
  return Buffer.from(/^\\restrict /m.test(text) ? text : restrict + text, 'latin1');
}

/** Returns the note on the settings that were left out. Pure. */
export function settingsNote(
  { leftOut, tool, program }: { leftOut: ReadonlySet<string>; tool: { version: string }; program: string },
  { serverVersion }: { serverVersion: string },
): string[] {
  if (leftOut.size === 0) return [];
  const names = [...leftOut].join(', ');
  return [
    `left out the ${leftOut.size === 1 ? 'setting' : 'settings'} ${names}, which PostgreSQL ${majorOf(serverVersion)} does not have (restored with ${program} ${tool.version})`,
  ];
}

/**
 * Returns the line after which psql ignores commands in a dump: a dump from another tool could write its rows into
 * another database with `\connect`. Empty if this psql does not know it.
 */
export function restrictLine({ major, version }: { major: number; version: string }, key: string): string {
  const first = FIRST_WITH_RESTRICT[major] ?? (major > 17 ? 0 : Infinity);
  return Number(version.split('.')[1] ?? 0) >= first ? `\\restrict ${key}\n` : '';
}

/** A plain dump without the DDL guard. @param onFound called once, where there is one */
export async function* withoutGuard(
  dump: AsyncIterable<Buffer>,
  onFound: () => void,
): AsyncGenerator<Buffer> {
  yield* withoutSections(dump, isGuardSection, onFound);
}
