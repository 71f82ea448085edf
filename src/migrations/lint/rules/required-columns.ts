import type { ColumnDef } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import {
  addedConstraints,
  commandsOf,
  constraintsOf,
  quoted,
  type TableName,
  tableOf,
} from '../../sql/syntax-tree.js';
import { columnType, type ColumnType, existingValue } from '../columns.js';
import type { Rule, RuleContext, Violation } from '../rule.js';

/** SET NOT NULL that has to read the complete table, because no validated CHECK proves it. */
export const setNotNull: Rule = {
  id: 'set-not-null',
  on: ['AlterTableStmt'],
  check: ({ node, index }, context) => {
    if (!('AlterTableStmt' in node)) return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (!context.isLarge(table)) return [];
    const columns = commandsOf(node)
      .filter(({ subtype }) => subtype === 'AT_SetNotNull')
      .map(({ name = '' }) => name)
      .filter((column) => !isProven(table, column, context));
    const ofKeys = addedConstraints(node).flatMap(({ contype, indexname }) =>
      contype === 'CONSTR_PRIMARY' && indexname !== undefined
        ? keyUsing(indexname, table, index, context)
        : [],
    );
    const checks = columns.map((column) => `CHECK (${escapeIdentifier(column)} IS NOT NULL)`);
    if (columns.length === 0) return ofKeys;
    return [
      ...ofKeys,
      {
        severity: 'error',
        index,
        message:
          `SET NOT NULL reads all of ${quoted(table)} (${context.sizeText(table)}) under a lock that lets nobody ` +
          `read or write it. A validated ${checks.join(', and ')} spares the reading.`,
        rewrite: columns
          .map((column) => setNotNullSteps(table, column, { isLarge: true, first: 1 }).join('\n'))
          .join('\n'),
      },
    ];
  },
};

/** Whether nothing has to be read to know that a column holds no NULL. */
export function isProven(table: TableName, column: string, { schema }: RuleContext): boolean {
  const known = schema.table(table);
  if (known?.columns.get(column)?.isRequired) return true;
  return [...(known?.checks.values() ?? [])].some(
    ({ isValidated, notNullColumn }) => isValidated && notNullColumn === column,
  );
}

/** ADD PRIMARY KEY USING INDEX makes the columns of the index required. */
function keyUsing(indexName: string, table: TableName, index: number, context: RuleContext): Violation[] {
  const { columns = [] } = context.schema.index({ schema: table.schema, name: indexName }) ?? {};
  const nullable = columns.filter((column) => !isProven(table, column, context));
  if (nullable.length === 0) return [];
  const names = nullable.map((column) => escapeIdentifier(column)).join(', ');
  return [
    {
      severity: 'error',
      index,
      message:
        `ADD PRIMARY KEY USING INDEX sets ${names} NOT NULL, and reads all of ${quoted(table)} ` +
        `(${context.sizeText(table)}) for it under a lock that blocks reads and writes.`,
      rewrite: [
        ...nullable.flatMap((column) => setNotNullSteps(table, column, { isLarge: true, first: 1 })),
        '-- Then the primary key: nothing is read',
      ].join('\n'),
    },
  ];
}

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
