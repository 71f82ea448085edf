import { type Client, escapeIdentifier } from 'pg';
import { errorCode, messageOf } from '../../core/errors.js';
import { queryOne } from '../../postgres/read.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import type { NeededExtension } from './archive-needs.js';
import type { ArchiveEntry, EntryChoice } from './table-of-contents.js';

/**
 * Extensions that cannot be created in the new database: they require a server setting, or the name of another database.
 * A restore creates them after the swap; a restore test leaves them out.
 */
export interface DeferredExtensions {
  /** PostgreSQL's error message, by the extension's name. */
  readonly reasons: ReadonlyMap<string, string>;
  /** Whether an entry of the archive belongs to one: the extension itself, or the rows of its tables. */
  readonly isDeferred: EntryChoice;
}

const NONE: DeferredExtensions = { reasons: new Map(), isDeferred: () => false };
/** insufficient_privilege: the role lacks it, not the database. */
const DATA = new Set(['TABLE DATA', 'SEQUENCE SET']);
const RELATIONS = new Set(['TABLE', 'SEQUENCE', 'FOREIGN TABLE', 'VIEW', 'MATERIALIZED VIEW']);

/**
 * Tries to create each extension in an empty database, and rolls back. An extension that is installed on the server and
 * cannot be created has requirements that this database does not meet: pg_cron a preload library and one database name.
 * @param connect runs work on a connection to the empty database
 */
export async function findDeferredExtensions(
  extensions: readonly NeededExtension[],
  readEntries: () => Promise<readonly ArchiveEntry[]>,
  connect: (work: (client: Client) => Promise<DeferredExtensions>) => Promise<DeferredExtensions>,
): Promise<DeferredExtensions> {
  if (extensions.length === 0) return NONE;
  return await connect(async (client) => {
    await client.query('BEGIN');
    try {
      const reasons = new Map<string, string>();
      for (const extension of await onlyAvailable(client, extensions)) {
        const reason = await whyNotCreatable(client, extension);
        if (reason !== undefined) reasons.set(extension.name, reason);
      }
      if (reasons.size === 0) return NONE;
      return { reasons, isDeferred: await entriesOf(client, reasons, await readEntries()) };
    } finally {
      await client.query('ROLLBACK');
    }
  });
}

async function onlyAvailable(
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

async function whyNotCreatable(
  client: Client,
  { name, schema }: NeededExtension,
): Promise<string | undefined> {
  await client.query('SAVEPOINT extension');
  try {
    const { found } = await queryOne<{ found: boolean }>(
      client,
      'SELECT pg_catalog.to_regnamespace(pg_catalog.quote_ident($1)) IS NOT NULL AS found',
      [schema],
    );
    if (!found) await client.query(`CREATE SCHEMA ${escapeIdentifier(schema)}`);
    await client.query(
      `CREATE EXTENSION IF NOT EXISTS ${escapeIdentifier(name)} WITH SCHEMA ${escapeIdentifier(schema)} CASCADE`,
    );
    return undefined;
  } catch (error) {
    await client.query('ROLLBACK TO SAVEPOINT extension');
    return errorCode(error) === SQLSTATE.insufficientPrivilege ? undefined : messageOf(error);
  }
}

/** Selects the entries about tables and schemas that neither the archive nor another extension creates. */
async function entriesOf(
  client: Client,
  reasons: ReadonlyMap<string, string>,
  entries: readonly ArchiveEntry[],
): Promise<EntryChoice> {
  const created = new Set(entries.filter(({ type }) => RELATIONS.has(type)).map(keyOf));
  const schemas = new Set(entries.filter(({ type }) => type === 'SCHEMA').map(({ tag }) => tag));
  const foreign = entries.filter((entry) => DATA.has(entry.type) && !created.has(keyOf(entry)));
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
  const missingSchemas = new Set(missing.rows.map(({ schema }) => schema));
  return (entry) => {
    const about = /^(EXTENSION|SCHEMA) (.*)$/s.exec(entry.tag);
    return (
      (entry.type === 'EXTENSION' && reasons.has(entry.tag)) ||
      (about?.[1] === 'EXTENSION' && reasons.has(about[2] ?? '')) ||
      (about?.[1] === 'SCHEMA' && missingSchemas.has(about[2] ?? '')) ||
      missingSchemas.has(entry.schema) ||
      (DATA.has(entry.type) && absent.has(keyOf(entry)))
    );
  };
}

function keyOf({ schema, tag }: ArchiveEntry): string {
  return `${schema}.${tag}`;
}

/** Returns the notes of a report: what was left out, and why. */
export function deferredNotes({ reasons }: DeferredExtensions): string[] {
  return [...reasons].map(
    ([name, reason]) =>
      `extension ${name} and the rows of its tables were left out: PostgreSQL cannot create it in this database (${reason})`,
  );
}
