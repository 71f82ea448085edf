import type { Client } from 'pg';
import { distance } from 'fastest-levenshtein';
import { PgkeepError } from '../../core/errors.js';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';

/** A table or view that can be exported. */
export interface NamedTable {
  readonly schema: string;
  readonly table: string;
  /** schema.table, quoted if SQL needs it. */
  readonly quoted: string;
}

/** How many similar names a message suggests. */
const SUGGESTED = 3;

/** Lists everything that has rows to select: tables, partitioned and foreign tables, views. */
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
 * Finds the tables that a person typed as `table` or `schema.table`: with the exact name, quoted as in SQL, or in another
 * case if only one table matches. Pure.
 * @param schema the schema to prefer for a name without one
 * @throws PgkeepError `TABLE_NOT_FOUND`, with similar names.
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
  const exact = tables.filter((table) => spellings(table).includes(text));
  const matching =
    exact.length > 0
      ? exact
      : tables.filter((table) => spellings(table).some((name) => name.toLowerCase() === text.toLowerCase()));
  const chosen = matching.find((table) => table.schema === schema && exact.includes(table));
  if (chosen) return chosen;
  if (matching[0] && matching.length === 1) return matching[0];
  if (matching.length > 1) {
    throw new PgkeepError('TABLE_NOT_FOUND', `"${text}" is ambiguous: it matches ${namesOf(matching)}.`, {
      hint: 'Type the schema as well, in the exact case.',
    });
  }
  const similar = tables
    .map((table) => ({ table, edits: Math.min(...spellings(table).map((name) => distance(name, text))) }))
    // With more than half of the letters wrong it is another word.
    .filter(({ edits }) => edits <= text.length / 2)
    .toSorted((left, right) => left.edits - right.edits)
    .slice(0, SUGGESTED)
    .map(({ table }) => table);
  throw new PgkeepError('TABLE_NOT_FOUND', `Table "${text}" not found in this database.`, {
    hint: [
      similar.length > 0 ? `Did you mean ${namesOf(similar)}?` : '',
      'Run `pgkeep stats` to see all names.',
    ]
      .join(' ')
      .trim(),
  });
}

function spellings({ schema, table, quoted }: NamedTable): string[] {
  return [table, `${schema}.${table}`, quoted, quotedTable(quoted)];
}

/** Returns the last part of a quoted name. */
function quotedTable(quoted: string): string {
  return /(?:"(?:[^"]|"")*"|[^".]+)$/.exec(quoted)?.[0] ?? quoted;
}

function namesOf(tables: readonly NamedTable[]): string {
  return tables.map(({ quoted }) => quoted).join(' or ');
}
