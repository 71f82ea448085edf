import { escapeIdentifier } from 'pg';
import type { ColumnDef } from 'libpg-query';
import { columnOf, commandsOf, constraintsOf, quoted, tableOf, type TableName } from '../ast.js';
import { existingValue } from '../default-value.js';
import type { Rule, Violation } from '../rule.js';
import { isFreeTypeChange } from '../type-change.js';
import { columnType, type ColumnType } from '../type-name.js';

/** ALTER COLUMN TYPE that writes the whole table anew. */
export const columnTypeChange: Rule = {
  id: 'column-type-change',
  on: ['AlterTableStmt'],
  holdsLock: true,
  check: ({ node, indexOf }, context) => {
    if (!('AlterTableStmt' in node) || node.AlterTableStmt.objtype !== 'OBJECT_TABLE') return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (!context.isLarge(table)) return [];
    return commandsOf(node).flatMap(({ subtype, name = '', def }): Violation[] => {
      if (subtype !== 'AT_AlterColumnType' || !def || !('ColumnDef' in def)) return [];
      const from = context.schema.table(table)?.columns.get(name)?.type;
      const to = columnType(def.ColumnDef.typeName);
      const isPlain = !def.ColumnDef.collClause && isPlainUsing(def.ColumnDef, name, to);
      if (isPlain && from && isFreeTypeChange(from, to)) return [];
      const change = from ? `from ${from.sql} to ${to.sql}` : `to ${to.sql} (what it was is not known)`;
      return [
        {
          severity: 'error',
          index: indexOf(def.ColumnDef.location),
          message: `Changing the type of ${escapeIdentifier(name)} ${change} writes all of ${quoted(table)} (${context.sizeText(table)}) and its indexes anew, under a lock that lets nobody read or write it.`,
          rewrite: besideTheOld(table, name, to),
        },
      ];
    });
  },
};

/** ADD COLUMN whose value is computed row by row. */
export const volatileDefault: Rule = {
  id: 'volatile-default',
  on: ['AlterTableStmt'],
  holdsLock: true,
  check: ({ node, indexOf }, context) => {
    if (!('AlterTableStmt' in node)) return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (!context.isLarge(table)) return [];
    return commandsOf(node).flatMap(({ subtype, def }): Violation[] => {
      if (subtype !== 'AT_AddColumn' || !def || !('ColumnDef' in def)) return [];
      const value = existingValue(def.ColumnDef);
      if (value.kind !== 'computed') return [];
      return [
        {
          severity: 'error',
          index: indexOf(def.ColumnDef.location),
          message: `Adding ${escapeIdentifier(def.ColumnDef.colname ?? '')} writes all of ${quoted(table)} (${context.sizeText(table)}) anew, under a lock that lets nobody read or write it: ${value.what}.`,
          rewrite: defaultAfterwards(table, def.ColumnDef),
        },
      ];
    });
  },
};

/** No USING, or one that says what is done anyway: the column, or the column cast to the new type. */
function isPlainUsing({ raw_default: using }: ColumnDef, name: string, to: ColumnType): boolean {
  if (!using || columnOf(using) === name) return true;
  if (!('TypeCast' in using) || columnOf(using.TypeCast.arg) !== name) return false;
  return columnType(using.TypeCast.typeName).sql === to.sql;
}

function besideTheOld(table: TableName, column: string, to: ColumnType): string {
  const [old, beside] = [escapeIdentifier(column), escapeIdentifier(`${column}_new`)];
  return [
    '-- Migration 1: a column beside the old one; release an application that writes both',
    `SET lock_timeout = '5s';`,
    `ALTER TABLE ${quoted(table)} ADD COLUMN ${beside} ${to.sql};`,
    '-- Migration 2: fill the rows that are there',
    `UPDATE ${quoted(table)} SET ${beside} = ${old}::${to.sql} WHERE ${beside} IS NULL AND ${old} IS NOT NULL;`,
    `-- Then release an application that uses ${beside} only (in Prisma: @map("${column}_new")), and retire ${old}.`,
  ].join('\n');
}

function defaultAfterwards(table: TableName, column: ColumnDef): string {
  const name = escapeIdentifier(column.colname ?? '');
  const type = columnType(column.typeName);
  const calls = constraintsOf(column.constraints).some(({ contype }) => contype === 'CONSTR_DEFAULT');
  if (!calls) {
    return `-- PostgreSQL cannot number or compute existing rows without writing them: do it while the application is stopped,\n-- and waive this with that reason; or add a plain ${name}, and have the application fill it.`;
  }
  return [
    '-- Migration 1: nullable and without a default, then the default for new rows',
    `SET lock_timeout = '5s';`,
    `ALTER TABLE ${quoted(table)} ADD COLUMN ${name} ${type.sql};`,
    `ALTER TABLE ${quoted(table)} ALTER COLUMN ${name} SET DEFAULT …; -- the same as here`,
    '-- Migration 2: fill the rows that are there',
    `UPDATE ${quoted(table)} SET ${name} = DEFAULT WHERE ${name} IS NULL;`,
  ].join('\n');
}
