import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { gunzipped } from '../../backup/create/plain-dump.js';
import { type PostgresTool, toolEnvironment } from '../../backup/postgres-tools.js';
import { requireSuccess, type RunningProgram, startProgram } from '../../core/process/program.js';
import { withoutGuard } from './dump-filters.js';
import { entryOfSection } from './table-of-contents.js';

const GZIP = Buffer.from([0x1f, 0x8b]);

const DEFINITIONS = ['--create', '--schema-only', '--file=-'];

/** What a server must have before an archive can be restored into it. */
export interface ArchiveNeeds {
  /** Roles that own objects, or whose default privileges it sets: the restoring role must be a member of them. */
  readonly owners: readonly string[];
  /** Roles that have a grant, a policy or a user mapping: they must exist. */
  readonly grantees: readonly string[];
  /** Roles that granted privileges on objects of other owners: only a superuser can repeat that in their name. */
  readonly grantors: readonly string[];
  readonly extensions: readonly NeededExtension[];
  /** Objects that only a superuser can create: `event trigger audit`. */
  readonly privileged: readonly string[];
  /** The options of its CREATE DATABASE, as pg_dump wrote them; undefined if the archive has none. */
  readonly databaseOptions: string | undefined;
}

export interface NeededExtension {
  readonly name: string;
  readonly schema: string;
}

type RoleKind = 'owners' | 'grantees' | 'grantors';

const NAME = String.raw`(?:"(?:[^"]|"")+"|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*)`;

const NAMES = `${NAME}(?:, ${NAME})*`;

/**
 * The statements of pg_dump that name a role, which may continue on another line. The database's own owner and grants
 * are not taken from the archive.
 */
const ROLE_PLACES: readonly (readonly [RoleKind, RegExp])[] = [
  ['owners', new RegExp(`^ALTER (?!DATABASE ).* OWNER TO (${NAME});$`)],
  [
    'grantees',
    new RegExp(
      `^(?:GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) (?!.* ON DATABASE ).* (?:TO|FROM) (${NAME})(?: WITH GRANT OPTION)?;$`,
    ),
  ],
  ['owners', new RegExp(`^ALTER DEFAULT PRIVILEGES FOR ROLE (${NAME}) `)],
  ['grantors', new RegExp(`^SET SESSION AUTHORIZATION (${NAME});$`)],
  ['grantees', new RegExp(`^CREATE POLICY .* TO (${NAMES})(?: USING | WITH CHECK |;)`)],
  ['grantees', new RegExp(`^CREATE USER MAPPING FOR (${NAME}) `)],
];

const EXTENSION = new RegExp(`^CREATE EXTENSION IF NOT EXISTS (${NAME}) WITH SCHEMA (${NAME});$`);

const CREATE_DATABASE = / WITH (TEMPLATE = template0 .*);$/;

/** Options of the source server: another one does not have this tablespace. */
const SOURCE_OPTIONS = / (?:TABLESPACE|OID) = (?:"(?:[^"]|"")*"|\S+)/g;

/** Rows follow up to the closing line; they contain no statements. */
const ROWS_FOLLOW = /^COPY .* FROM stdin;$/;

const END_OF_ROWS = '\\.';

/** The beginning of a function's body, which ends with the same dollar quote. */
const BODY = / AS (\$\w*\$)/;

/** Entries that only a superuser can restore. */
const PRIVILEGED = new Set([
  'ACCESS METHOD',
  'EVENT TRIGGER',
  'FOREIGN DATA WRAPPER',
  'OPERATOR CLASS',
  'OPERATOR FAMILY',
  'PROCEDURAL LANGUAGE',
  'TEXT SEARCH PARSER',
  'TEXT SEARCH TEMPLATE',
]);

/** Not roles: everybody, and the role that restores. */
const NO_ROLES = new Set(['public', 'current_user', 'session_user']);

/**
 * Reads what an archive requires of a server. Of an archive in pg_dump's custom format only the beginning is read.
 * @param pgRestore undefined for a plain dump
 * @throws ProgramFailure if it cannot be read.
 */
export async function needsOf(
  archive: Readable,
  { pgRestore, signal }: { pgRestore: PostgresTool | undefined; signal: AbortSignal },
): Promise<ArchiveNeeds> {
  try {
    if (pgRestore) return await needsOfCustom(archive, pgRestore, signal);
    return await readOwn(unpacked(archive));
  } finally {
    archive.destroy();
  }
}

/** Does the same for an archive on this machine, in any format that pg_restore reads. @throws ProgramFailure. */
export async function needsOfFile(
  file: string,
  pgRestore: PostgresTool,
  signal: AbortSignal,
): Promise<ArchiveNeeds> {
  const env = toolEnvironment(pgRestore);
  const program = await startProgram(pgRestore.file, [...DEFINITIONS, file], { env, signal });
  program.stdin.end();
  const needs = await readOwn(program.stdout);
  await requireSuccess('pg_restore', program);
  return needs;
}

async function needsOfCustom(
  archive: Readable,
  pgRestore: PostgresTool,
  signal: AbortSignal,
): Promise<ArchiveNeeds> {
  const program = await startProgram(pgRestore.file, DEFINITIONS, {
    env: toolEnvironment(pgRestore),
    signal,
  });
  const fed = feed(archive, program);
  const needs = await readOwn(program.stdout);
  await requireSuccess('pg_restore', program);
  archive.destroy();
  await fed;
  return needs;
}

/** Feeds the program until it ends, which it does before the rows begin. */
async function feed(archive: Readable, { stdin, ended }: RunningProgram): Promise<void> {
  try {
    for await (const piece of archive) {
      if (!stdin.writable) return;
      if (!stdin.write(piece)) await Promise.race([once(stdin, 'drain').catch(() => undefined), ended]);
    }
  } catch {
    // The archive is cut: pg_restore reports it.
  } finally {
    stdin.end();
  }
}

async function readOwn(sql: AsyncIterable<Buffer>): Promise<ArchiveNeeds> {
  return await readNeeds(
    Readable.from(
      withoutGuard(sql, () => undefined),
      { objectMode: false },
    ),
  );
}

/** Returns the text of a plain dump, gzipped or not. */
export async function* unpacked(stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = stored[Symbol.asyncIterator]();
  const first = await source.next();
  if (first.done) return;
  const all = continued(first.value, source);
  yield* first.value.subarray(0, GZIP.length).equals(GZIP) ? gunzipped(all) : all;
}

async function* continued(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

/** Reads the SQL of an archive line by line, because it may be large. */
async function readNeeds(sql: Readable): Promise<ArchiveNeeds> {
  const roles = { owners: new Set<string>(), grantees: new Set<string>(), grantors: new Set<string>() };
  const extensions: NeededExtension[] = [];
  const privileged: string[] = [];
  let databaseOptions: string | undefined;
  for await (const line of statementLines(sql)) {
    for (const [kind, place] of ROLE_PLACES) {
      for (const role of place.exec(line)?.[1]?.match(new RegExp(NAME, 'g')) ?? []) {
        if (!NO_ROLES.has(role.toLowerCase())) roles[kind].add(unquoted(role));
      }
    }
    const [, name, schema] = EXTENSION.exec(line) ?? [];
    if (name !== undefined && schema !== undefined) {
      extensions.push({ name: unquoted(name), schema: unquoted(schema) });
    }
    const entry = entryOfSection(line);
    if (entry && PRIVILEGED.has(entry.type)) privileged.push(`${entry.type.toLowerCase()} ${entry.tag}`);
    databaseOptions ??= CREATE_DATABASE.exec(line)?.[1]?.replaceAll(SOURCE_OPTIONS, '');
  }
  return {
    owners: [...roles.owners].toSorted(),
    grantees: [...roles.grantees].toSorted(),
    grantors: [...roles.grantors].toSorted(),
    extensions,
    privileged,
    databaseOptions,
  };
}

/** Returns the lines that are statements of pg_dump: neither rows nor bodies of functions. */
async function* statementLines(sql: Readable): AsyncGenerator<string> {
  let end: string | undefined;
  for await (const line of createInterface({ input: sql, crlfDelay: Infinity })) {
    if (end !== undefined) {
      const isEnd = end === END_OF_ROWS ? line === end : line.includes(end);
      if (isEnd) end = undefined;
      continue;
    }
    const mark = BODY.exec(line)?.[1];
    if (ROWS_FOLLOW.test(line)) end = END_OF_ROWS;
    else if (mark !== undefined && line.split(mark).length === 2) end = mark;
    yield line;
  }
}

/** Returns every role that an archive names. */
export function rolesOf({ owners, grantees, grantors }: ArchiveNeeds): string[] {
  return [...new Set([...owners, ...grantees, ...grantors])].toSorted();
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
