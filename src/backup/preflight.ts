import { escapeIdentifier, type Client } from 'pg';
import { KeepError } from '../errors.js';
import type { DatabaseFacts } from './database-facts.js';
import { OWN_RELATIONS } from '../catalogue/own-relations.js';

/** How many names a message lists. */
const SHOWN = 10;
/** Without an earlier backup to go by: an archive has seldom more than this part of the database's size. */
const EXPECTED_PART = 0.25;
/** Room for growth since the last backup. */
const GROWTH = 1.25;

/** What stands in the way of a whole dump; empty lists when nothing does. */
export interface Obstacles {
  /** Schemas the role may not use. */
  readonly closedSchemas: readonly string[];
  /** Tables and sequences the role may not read. */
  readonly unreadable: readonly string[];
  /** Tables of which row-level security would show this role a part only. */
  readonly filtered: readonly string[];
}

/** Asks the catalogue; the tables themselves are not touched. */
export async function readObstacles(client: Client): Promise<Obstacles> {
  const { rows } = await client.query<{ name: string; schema: string; kind: keyof Obstacles }>(`
    SELECT r.name, pg_catalog.format('%I', n.nspname) AS schema,
           CASE WHEN NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') THEN 'closedSchemas'
                WHEN NOT (CASE r.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(r.oid, 'SELECT')
                                         ELSE pg_catalog.has_table_privilege(r.oid, 'SELECT') END)
                THEN 'unreadable'
                ELSE 'filtered' END AS kind
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
     WHERE r.relkind IN ('r', 'p', 'S')
       AND (NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
            OR NOT (CASE r.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(r.oid, 'SELECT')
                                   ELSE pg_catalog.has_table_privilege(r.oid, 'SELECT') END)
            OR pg_catalog.row_security_active(r.oid))
     ORDER BY r.name COLLATE "C"`);
  const named = (wanted: keyof Obstacles): string[] =>
    rows
      .filter(({ kind }) => kind === wanted)
      .map(({ name, schema }) => (wanted === 'closedSchemas' ? schema : name));
  return {
    closedSchemas: [...new Set(named('closedSchemas'))],
    unreadable: named('unreadable'),
    filtered: named('filtered'),
  };
}

/** @throws KeepError `DATABASE_PERMISSION_DENIED` or `BACKUP_ROW_SECURITY`, with the grant to give. */
export function requireWhole(obstacles: Obstacles, { database, role }: DatabaseFacts): void {
  const { closedSchemas, unreadable, filtered } = obstacles;
  const to = escapeIdentifier(role);
  if (closedSchemas.length + unreadable.length > 0) {
    const missing = [
      ...(closedSchemas.length > 0 ? [`use ${counted('schema', closedSchemas)}`] : []),
      ...(unreadable.length > 0 ? [`read ${counted('relation', unreadable)}`] : []),
    ];
    throw new KeepError(
      'DATABASE_PERMISSION_DENIED',
      `Cannot back up database "${database}": role "${role}" may not ${missing.join(' and not ')}.`,
      { hint: `Give it the grant, as a superuser: GRANT pg_read_all_data TO ${to};` },
    );
  }
  if (filtered.length > 0) {
    throw new KeepError(
      'BACKUP_ROW_SECURITY',
      `Cannot back up database "${database}": row-level security hides rows of ${counted('table', filtered)} from role "${role}".`,
      { hint: `Let it see them, as a superuser: ALTER ROLE ${to} BYPASSRLS;` },
    );
  }
}

/** How many bytes an archive will likely have. */
export function expectedBytes(databaseBytes: number, lastArchiveBytes: number | undefined): number {
  return Math.ceil(
    lastArchiveBytes === undefined ? databaseBytes * EXPECTED_PART : lastArchiveBytes * GROWTH,
  );
}

/** @throws KeepError `STORAGE_FULL` when there is not room for as many bytes. */
export function requireRoom(location: string, freeBytes: number, expected: number): void {
  if (freeBytes >= expected) return;
  throw new KeepError(
    'STORAGE_FULL',
    `Cannot back up to ${location}: about ${megabytes(expected)} MB are needed, ${megabytes(freeBytes)} MB are free.`,
    { hint: 'Make room there, or let BACKUP_DIR name a directory on a larger disk.' },
  );
}

function counted(what: string, names: readonly string[]): string {
  const rest = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  const noun = names.length === 1 ? what : `${names.length} ${what}s`;
  return `${noun} ${names.slice(0, SHOWN).join(', ')}${rest}`;
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1_048_576);
}
