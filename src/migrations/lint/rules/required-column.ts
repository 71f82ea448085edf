import type { ColumnDef } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import { commandsOf, constraintsOf, quoted, tableOf, type TableName } from '../ast.js';
import { existingValue } from '../default-value.js';
import type { Rule, Violation } from '../rule.js';
import { columnType, type ColumnType } from '../type-name.js';
import { setNotNullSteps } from './set-not-null-steps.js';

/** A column that every row must have, added in one step to a table that has rows: the rows that are there have none. */
export const requiredColumn: Rule = {
  id: 'required-column',
  on: ['AlterTableStmt'],
  check: ({ node, indexOf }, context) => {
    if (!('AlterTableStmt' in node)) return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (!context.mayHoldRows(table)) return [];
    return commandsOf(node).flatMap(({ subtype, def }): Violation[] => {
      if (subtype !== 'AT_AddColumn' || !def || !('ColumnDef' in def)) return [];
      const column = def.ColumnDef;
      const kinds = new Set(constraintsOf(column.constraints).map(({ contype }) => contype));
      if (!kinds.has('CONSTR_NOTNULL') && !kinds.has('CONSTR_PRIMARY')) return [];
      if (existingValue(column).kind !== 'null') return [];
      return [
        {
          severity: 'error',
          index: indexOf(column.location),
          message:
            `Column ${escapeIdentifier(column.colname ?? '')} is required at once, and the rows that ${quoted(table)} has ` +
            `(${context.sizeText(table)}) have no value for it: the migration fails, and \`prisma migrate dev\` offers to ` +
            `reset the database, which loses all data.`,
          rewrite: threeSteps(table, column, context.isLarge(table)),
        },
      ];
    });
  },
};

/** The seeds' three steps, for this table and this column. */
function threeSteps(table: TableName, column: ColumnDef, isLarge: boolean): string {
  const name = escapeIdentifier(column.colname ?? '');
  const type = columnType(column.typeName);
  const kinds = new Set(constraintsOf(column.constraints).map(({ contype }) => contype));
  const lines = [
    '-- Migration 1: add it nullable, and release an application that writes it',
    `SET lock_timeout = '5s';`,
    `ALTER TABLE ${quoted(table)} ADD COLUMN ${name} ${type.sql};`,
    '-- Migration 2: fill the rows that are there',
    `UPDATE ${quoted(table)} SET ${name} = ${backfill(column.colname ?? '', type)} WHERE ${name} IS NULL;`,
    ...setNotNullSteps(table, column.colname ?? '', { isLarge, first: 3 }),
  ];
  if (kinds.has('CONSTR_UNIQUE') || kinds.has('CONSTR_PRIMARY')) {
    const index = escapeIdentifier(`${table.name}_${column.colname}_key`);
    const how = isLarge ? 'INDEX CONCURRENTLY' : 'INDEX';
    lines.push(
      `-- Migration ${isLarge ? 6 : 4}: make it unique`,
      `CREATE UNIQUE ${how} ${index} ON ${quoted(table)}(${name});`,
    );
  }
  return lines.join('\n');
}

/** A value for the rows that are there: right where a type has an obvious one, otherwise a place to write it. */
function backfill(column: string, { name, isArray, sql }: ColumnType): string {
  const choose = (value: string): string => `${value} /* choose the value of the existing rows */`;
  if (isArray) return choose(`'{}'`);
  if (name === 'uuid') return 'gen_random_uuid()';
  const isText = /^(varchar|text|bpchar|citext)$/.test(name);
  if (isText) return /uuid|guid/i.test(column) ? 'gen_random_uuid()::text' : choose(`''`);
  if (/^(int[248]|numeric|float[48]|money|oid)$/.test(name)) return choose('0');
  if (name === 'bool') return choose('false');
  if (/^(timestamp|timestamptz|date)$/.test(name)) return choose('now()');
  if (/^jsonb?$/.test(name)) return choose(`'{}'`);
  return choose(`'…'::${sql}`);
}
