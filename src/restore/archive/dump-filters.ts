import type { Client } from 'pg';
import { isGuardSection } from '../../guard/ddl/ddl-guard-in-dumps.js';
import { majorOf } from './archive-header.js';

const SECTION = /^-- (?:Data for )?Name: |^-- PostgreSQL database dump complete/;
/** Rows follow, up to the closing line: nothing in them is a comment. The table's name may have lines of its own. */
const ROWS_FOLLOW = / FROM stdin;$/;
/** What pg_dump sets between two sections; other settings may be lines of a function's body. */
const SETTING_BEHIND = /^SET default_(?:tablespace|table_access_method|with_oids) = /;
const END_OF_ROWS = '\n\\.\n';
const NEWLINE = 0x0a;

/**
 * A plain dump without some of its entries.
 * @param isLeftOut asked about the comment above each entry
 * @param onFound called once, where one is left out
 * @param onSection told the comment above each entry that is kept, and the number of its line in what is passed on
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
        // The closing line may be cut by the chunk.
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
      // The newline stays in front of the rows, where there may be none. Settings are those of the section behind.
      const taken = inRows ? end : end + 1;
      if (!isOut || SETTING_BEHIND.test(line)) yield passed(rest.subarray(0, taken));
      rest = rest.subarray(taken);
    }
  }
  if (!isOut) yield rest;
}

/** What pg_dump ends a plain dump with: without it some of the dump is missing, and nothing else tells. */
const CLOSING_LINE = '-- PostgreSQL database dump complete';

/** The closing line is within the last of so many bytes. */
const TAIL_BYTES = 1024;

/** The text of a plain dump has no closing line. */
class IncompleteDumpError extends Error {
  override readonly name = 'IncompleteDumpError';

  constructor() {
    super('the dump has no closing line: some of it is missing');
  }
}

/**
 * Passes a plain dump on, which ends well only where its closing line was seen: psql takes a dump that was cut for a
 * complete one. Not as one transaction, which would hold the locks of all tables: the database is a fresh one, and is
 * dropped where the restore fails.
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

/** A dump's settings stand before its first section. */
const FIRST_SECTION = /^-- (?:Data for )?Name: /m;

const SETTING = /^SET (\w+) = .*\n/gm;

/** No dump has so much before its first section. */
const LONGEST_HEADER = 1_048_576;

/** The settings that a server has. */
export async function readSettingNames(client: Client): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ name: string }>('SELECT name FROM pg_catalog.pg_settings');
  return new Set(rows.map(({ name }) => name.toLowerCase()));
}

/**
 * A plain dump as its server and psql take it. Left out are the settings that the server does not have: pg_dump and
 * pg_restore begin with those of their own version (17: `SET transaction_timeout = 0`), and an older server refuses
 * them. Only the header is changed: what stands in a function's body stays.
 * @param guard a first line that keeps psql from obeying commands in the dump, where the dump has none itself
 * @param onLeftOut called with the name of each setting
 */
export async function* withKnownSettings(
  dump: AsyncIterable<Buffer>,
  { known, guard, onLeftOut }: HeaderRules,
): AsyncGenerator<Buffer> {
  const rules = { known, guard, onLeftOut };
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
  // A dump of an empty database has no section.
  if (header !== undefined) yield cleaned(header, rules);
}

interface HeaderRules {
  readonly known: ReadonlySet<string>;
  readonly guard: string;
  readonly onLeftOut: (name: string) => void;
}

function cleaned(header: Buffer, { known, guard, onLeftOut }: HeaderRules): Buffer {
  const text = header.toString('latin1').replaceAll(SETTING, (statement, name: string) => {
    if (known.has(name.toLowerCase())) return statement;
    onLeftOut(name);
    return '';
  });
  return Buffer.from(/^\\restrict /m.test(text) ? text : guard + text, 'latin1');
}

/** What was left out of a dump, for the notes of a restore. Pure. */
export function settingsNote(
  { leftOut, tool, program }: { leftOut: ReadonlySet<string>; tool: { version: string }; program: string },
  { serverVersion }: { serverVersion: string },
): string[] {
  if (leftOut.size === 0) return [];
  const names = [...leftOut].join(', ');
  return [
    `left out what PostgreSQL ${majorOf(serverVersion)} does not have: the setting ${names} (restored with ${program} ${tool.version})`,
  ];
}

/** The first release of each major version whose psql has `\restrict`; later ones have it from the beginning. */
const FIRST_WITH_RESTRICT: Readonly<Record<number, number>> = { 13: 22, 14: 19, 15: 14, 16: 10, 17: 6 };

/**
 * The line after which psql obeys no command of a dump: a dump made elsewhere could send its rows into another
 * database with `\connect`. Empty where this psql does not have it.
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
