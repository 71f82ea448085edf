import { escapeIdentifier } from 'pg';
import { quoted, type TableName } from '../ast.js';

/** SQL that makes a column required; where the table is large, without reading it under an exclusive lock. */
export function setNotNullSteps(table: TableName, column: string, isLarge: boolean): string[] {
  const name = escapeIdentifier(column);
  const alter = `ALTER TABLE ${quoted(table)}`;
  if (!isLarge) return [`SET lock_timeout = '5s';`, `${alter} ALTER COLUMN ${name} SET NOT NULL;`];
  const check = escapeIdentifier(`${table.name}_${column}_not_null`);
  return [
    `SET lock_timeout = '5s';`,
    `${alter} ADD CONSTRAINT ${check} CHECK (${name} IS NOT NULL) NOT VALID;`,
    '-- The next migration: reads the table under a lock that lets others read and write',
    `${alter} VALIDATE CONSTRAINT ${check};`,
    '-- The one after it: the check proves it, so nothing is read',
    `SET lock_timeout = '5s';`,
    `${alter} ALTER COLUMN ${name} SET NOT NULL;`,
    `${alter} DROP CONSTRAINT ${check};`,
  ];
}
