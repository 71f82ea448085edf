import { type Client, escapeIdentifier } from 'pg';
import { errorCode, messageOf } from '../../core/errors.js';
import type { NeededExtension } from './archive-needs.js';
import type { ArchiveEntry, EntryChoice } from './table-of-contents.js';

/** Extensions that this database cannot have: they want another server setting, or another database's name. */
export interface BoundExtensions {
  /** By name: PostgreSQL's own words. */
  readonly reasons: ReadonlyMap<string, string>;
  /** The entries of the archive that go with them: the extension, and what it keeps in its own tables. */
  readonly isTheirs: EntryChoice;
}

const NONE: BoundExtensions = { reasons: new Map(), isTheirs: () => false };
/** Insufficient privilege is a matter of the role, not of the database. */
const NO_RIGHT = '42501';
const DATA = new Set(['TABLE DATA', 'SEQUENCE SET']);
const RELATIONS = new Set(['TABLE', 'SEQUENCE', 'FOREIGN TABLE', 'VIEW', 'MATERIALIZED VIEW']);

/**
 * Tries each extension in an empty database, and takes all of them back. One that is there on the server and cannot be
 * created is bound to something that this database is not: pg_cron to a preload library and to one database's name.
 * @param connect runs work on a connection to the empty database
 */
export async function findBoundExtensions(
  extensions: readonly NeededExtension[],
  readEntries: () => Promise<readonly ArchiveEntry[]>,
  connect: (work: (client: Client) => Promise<BoundExtensions>) => Promise<BoundExtensions>,
): Promise<BoundExtensions> {
  if (extensions.length === 0) return NONE;
  return await connect(async (client) => {
    await client.query('BEGIN');
    try {
      const reasons = new Map<string, string>();
      for (const extension of await availableOnes(client, extensions)) {
        const reason = await reasonAgainst(client, extension);
        if (reason !== undefined) reasons.set(extension.name, reason);
      }
      if (reasons.size === 0) return NONE;
      return { reasons, isTheirs: await entriesOf(client, reasons, await readEntries()) };
    } finally {
      await client.query('ROLLBACK');
    }
  });
}

async function availableOnes(
  client: Client,
  extensions: readonly NeededExtension[],
): Promise<NeededExtension[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT name::text FROM pg_catalog.pg_available_extensions WHERE name = ANY ($1)',
    [extensions.map(({ name }) => name)],
  );
  const there = new Set(rows.map(({ name }) => name));
  return extensions.filter(({ name }) => there.has(name));
}

async function reasonAgainst(client: Client, { name, schema }: NeededExtension): Promise<string | undefined> {
  await client.query('SAVEPOINT extension');
  try {
    const { rows } = await client.query<{ found: boolean }>(
      'SELECT pg_catalog.to_regnamespace(pg_catalog.quote_ident($1)) IS NOT NULL AS found',
      [schema],
    );
    if (rows[0]?.found !== true) await client.query(`CREATE SCHEMA ${escapeIdentifier(schema)}`);
    await client.query(
      `CREATE EXTENSION IF NOT EXISTS ${escapeIdentifier(name)} WITH SCHEMA ${escapeIdentifier(schema)} CASCADE`,
    );
    return undefined;
  } catch (error) {
    await client.query('ROLLBACK TO SAVEPOINT extension');
    return errorCode(error) === NO_RIGHT ? undefined : messageOf(error);
  }
}

/** What an archive holds of tables and schemas that it does not make, and that no other extension makes either. */
async function entriesOf(
  client: Client,
  reasons: ReadonlyMap<string, string>,
  entries: readonly ArchiveEntry[],
): Promise<EntryChoice> {
  const made = new Set(entries.filter(({ type }) => RELATIONS.has(type)).map(keyOf));
  const schemas = new Set(entries.filter(({ type }) => type === 'SCHEMA').map(({ tag }) => tag));
  const foreign = entries.filter((entry) => DATA.has(entry.type) && !made.has(keyOf(entry)));
  const { rows } = await client.query<{ schema: string; tag: string }>(
    `SELECT e.schema, e.tag
       FROM unnest($1::text[], $2::text[]) e (schema, tag)
      WHERE pg_catalog.to_regclass(pg_catalog.format('%I.%I', e.schema, e.tag)) IS NULL`,
    [foreign.map(({ schema }) => schema), foreign.map(({ tag }) => tag)],
  );
  const absent = new Set(rows.map(({ schema, tag }) => `${schema}.${tag}`));
  const used = [...new Set(entries.map(({ schema }) => schema))].filter((name) => name !== '-');
  const missing = await client.query<{ schema: string }>(
    `SELECT s.schema FROM pg_catalog.unnest($1::text[]) s (schema)
      WHERE pg_catalog.to_regnamespace(pg_catalog.quote_ident(s.schema)) IS NULL`,
    [used.filter((name) => !schemas.has(name))],
  );
  const gone = new Set(missing.rows.map(({ schema }) => schema));
  return (entry) => {
    const about = /^(EXTENSION|SCHEMA) (.*)$/s.exec(entry.tag);
    return (
      (entry.type === 'EXTENSION' && reasons.has(entry.tag)) ||
      (about?.[1] === 'EXTENSION' && reasons.has(about[2] ?? '')) ||
      (about?.[1] === 'SCHEMA' && gone.has(about[2] ?? '')) ||
      gone.has(entry.schema) ||
      (DATA.has(entry.type) && absent.has(keyOf(entry)))
    );
  };
}

function keyOf({ schema, tag }: ArchiveEntry): string {
  return `${schema}.${tag}`;
}

/** For the notes: what was left out, and why. */
export function boundNotes({ reasons }: BoundExtensions): string[] {
  return [...reasons].map(
    ([name, reason]) =>
      `extension ${name} was left out, and with it the rows of its own tables: PostgreSQL cannot create it in this database (${reason})`,
  );
}
