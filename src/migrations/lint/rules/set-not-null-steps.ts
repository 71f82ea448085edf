import { escapeIdentifier } from 'pg';
import { quoted, type TableName } from '../ast.js';

/**
 * SQL that makes a column required, as the migrations from number `first` on; where the table is large, without
 * reading it under an exclusive lock.
 */
export function setNotNullSteps(
  table: TableName,
  column: string,
  { isLarge, first }: { isLarge: boolean; first: number },
): string[] {
  const name = escapeIdentifier(column);
  const alter = `ALTER TABLE ${quoted(table)}`;
  const begin = [`-- Migration ${first}: make it required`, `SET lock_timeout = '5s';`];
  if (!isLarge) return [...begin, `${alter} ALTER COLUMN ${name} SET NOT NULL;`];
  const check = escapeIdentifier(`${table.name}_${column}_not_null`);
  return [
    ...begin,
    `${alter} ADD CONSTRAINT ${check} CHECK (${name} IS NOT NULL) NOT VALID;`,
    `-- Migration ${first + 1}: reads the table under a lock that lets others read and write`,
    `${alter} VALIDATE CONSTRAINT ${check};`,
    `-- Migration ${first + 2}: the check proves it, so nothing is read`,
    `SET lock_timeout = '5s';`,
    `${alter} ALTER COLUMN ${name} SET NOT NULL;`,
    `${alter} DROP CONSTRAINT ${check};`,
  ];
}
