import { escapeIdentifier } from 'pg';
import type { CatalogueRow } from './table-catalogue.js';

/** A table up to this many heap pages (8 MB) is small: counted when its number is not exact. */
const SMALL_PAGES = 1024;
/** All counts of one answer together read at most this many pages (64 MB). */
const PAGE_BUDGET = 8192;
/** All counts of one answer together open at most this many tables. */
const TABLE_BUDGET = 1000;
/** Tables in one counting statement: PostgreSQL plans a UNION of many arms slowly. */
const TABLES_PER_STATEMENT = 100;

/** One statement that counts some tables; each row is `oid, rows`. */
export interface CountStatement {
  readonly sql: string;
  readonly oids: readonly string[];
}

/** Which tables are worth counting unasked: the small ones whose number is not exact, within a budget. Pure. */
export function tablesToCount(rows: readonly CatalogueRow[]): CatalogueRow[] {
  let budget = PAGE_BUDGET;
  return rows
    .flatMap((row) => (row.pages !== null && row.pages <= SMALL_PAGES ? [{ row, pages: row.pages }] : []))
    .filter(({ row }) => !row.exact && mayBeCounted(row))
    .toSorted((left, right) => left.pages - right.pages)
    .slice(0, TABLE_BUDGET)
    .filter(({ pages }) => {
      budget -= Math.max(1, pages);
      return budget >= 0;
    })
    .map(({ row }) => row);
}

/** Whether a count would see every row, and would not wait for another session. Pure. */
export function mayBeCounted({ countable, locked }: CatalogueRow): boolean {
  return countable && !locked;
}

/** The statements that count these tables exactly. Pure. */
export function countStatements(
  rows: readonly CatalogueRow[],
  perStatement = TABLES_PER_STATEMENT,
): CountStatement[] {
  const statements: CountStatement[] = [];
  for (let start = 0; start < rows.length; start += perStatement) {
    const batch = rows.slice(start, start + perStatement);
    statements.push({ oids: batch.map(({ oid }) => oid), sql: batch.map(countArm).join('\nUNION ALL\n') });
  }
  return statements;
}

/** ONLY, because children by inheritance are tables of their own; a partitioned table is counted whole. */
function countArm({ oid, schema, name, partitioned }: CatalogueRow): string {
  const table = `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`;
  return `SELECT '${oid}' AS oid, count(*)::float8 AS rows FROM ${partitioned ? '' : 'ONLY '}${table}`;
}
