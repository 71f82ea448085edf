import type { Client } from 'pg';
import { majorOf } from './server-version.js';

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

export interface HeaderRules {
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
