import type { Client } from 'pg';
import { distance } from 'fastest-levenshtein';
import { PgkeepError } from '../../core/errors.js';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';

/** A table or view that can be exported. */
export interface NamedTable {
  readonly schema: string;
  readonly table: string;
  /** schema.table, quoted where SQL needs it. */
  readonly quoted: string;
}

/** How many near names a message shows. */
const SHOWN = 3;

/** Everything that has rows to select: tables, partitioned and foreign ones, views. */
export async function listNamedTables(client: Client): Promise<NamedTable[]> {
  const { rows } = await client.query<NamedTable>(`
    SELECT n.nspname::text AS schema, c.relname::text AS "table", r.name AS quoted
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_class c ON c.oid = r.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f')
     ORDER BY r.name COLLATE "C"`);
  return rows;
}

/**
 * Finds the tables that a person typed: as `table` or `schema.table`, the way they are written, quoted as in SQL, or
 * in another case where only one is meant. Pure.
 * @param schema where a name without one is looked for first
 * @throws PgkeepError `TABLE_NOT_FOUND` with the names that are near.
 */
export function findTables(
  typed: readonly string[],
  tables: readonly NamedTable[],
  schema: string,
): NamedTable[] {
  const found = typed.map((text) => findTable(text, tables, schema));
  return found.filter((table, index) => found.indexOf(table) === index);
}

function findTable(text: string, tables: readonly NamedTable[], schema: string): NamedTable {
  const written = tables.filter((table) => spellings(table).includes(text));
  const matching =
    written.length > 0
      ? written
      : tables.filter((table) => spellings(table).some((name) => name.toLowerCase() === text.toLowerCase()));
  const chosen = matching.find((table) => table.schema === schema && written.includes(table));
  if (chosen) return chosen;
  if (matching[0] && matching.length === 1) return matching[0];
  if (matching.length > 1) {
    throw new PgkeepError('TABLE_NOT_FOUND', `"${text}" can be ${namesOf(matching)}.`, {
      hint: 'Type the schema, too, and the case as it is.',
    });
  }
  const near = tables
    .map((table) => ({ table, edits: Math.min(...spellings(table).map((name) => distance(name, text))) }))
    // Half of the letters wrong is another word.
    .filter(({ edits }) => edits <= text.length / 2)
    .toSorted((left, right) => left.edits - right.edits)
    .slice(0, SHOWN)
    .map(({ table }) => table);
  throw new PgkeepError('TABLE_NOT_FOUND', `There is no table "${text}" in this database.`, {
    hint: [near.length > 0 ? `Is it ${namesOf(near)}?` : '', '`pgkeep stats` shows all names.']
      .join(' ')
      .trim(),
  });
}

function spellings({ schema, table, quoted }: NamedTable): string[] {
  return [table, `${schema}.${table}`, quoted, quotedTable(quoted)];
}

/** The last part of a quoted name. */
function quotedTable(quoted: string): string {
  return /(?:"(?:[^"]|"")*"|[^".]+)$/.exec(quoted)?.[0] ?? quoted;
}

function namesOf(tables: readonly NamedTable[]): string {
  return tables.map(({ quoted }) => quoted).join(' or ');
}
