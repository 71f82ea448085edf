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
import type { RuleContext, StatementRule, Violation } from '../rule.js';

export const setNotNull: StatementRule = {
  id: 'set-not-null',
  severity: 'error',
  summary: 'SET NOT NULL without a validated CHECK',
  details: 'Also by `ADD PRIMARY KEY USING INDEX` of a column that may be NULL.',
  breaks:
    'PostgreSQL reads every row under an `ACCESS EXCLUSIVE` lock. Reads and writes of the table wait until that is done.',
  instead:
    'First add `CHECK (column IS NOT NULL) NOT VALID` and validate it; then `SET NOT NULL` reads nothing. The finding writes out the SQL.',
  largeTablesOnly: true,
  on: ['AT_SetNotNull', 'AT_AddConstraint', 'AT_AddIndexConstraint'],
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
        index,
        message:
          `SET NOT NULL reads all of ${quoted(table)} (${context.sizeText(table)}) under a lock that blocks reads ` +
          `and writes. With a validated ${checks.join(' and ')}, nothing is read.`,
        rewrite: columns
          .map((column) => setNotNullSteps(table, column, { isLarge: true, first: 1 }).join('\n'))
          .join('\n'),
      },
    ];
  },
};

/** Whether PostgreSQL knows without reading the table that a column has no NULL. */
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
      index,
      message:
        `ADD PRIMARY KEY USING INDEX sets ${names} NOT NULL, and for that reads all of ${quoted(table)} ` +
        `(${context.sizeText(table)}) under a lock that blocks reads and writes.`,
      rewrite: [
        ...nullable.flatMap((column) => setNotNullSteps(table, column, { isLarge: true, first: 1 })),
        '-- Then add the primary key, which reads nothing',
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
  const lockTimeout = `SET lock_timeout = '5s';`;
  if (!isLarge) {
    return [`-- Migration ${first}: require it`, lockTimeout, `${alter} ALTER COLUMN ${name} SET NOT NULL;`];
  }
  const check = escapeIdentifier(`${table.name}_${column}_not_null`);
  return [
    `-- Migration ${first}: require it in new rows`,
    lockTimeout,
    `${alter} ADD CONSTRAINT ${check} CHECK (${name} IS NOT NULL) NOT VALID;`,
    `-- Migration ${first + 1}: reads the table under a lock that allows reads and writes`,
    `${alter} VALIDATE CONSTRAINT ${check};`,
    `-- Migration ${first + 2}: require it; reads nothing, because of the check`,
    lockTimeout,
    `${alter} ALTER COLUMN ${name} SET NOT NULL;`,
    `${alter} DROP CONSTRAINT ${check};`,
  ];
}

export const requiredColumn: StatementRule = {
  id: 'required-column',
  severity: 'error',
  summary: 'A required column added in one step to a table that has rows',
  details: '`ADD COLUMN` with `NOT NULL` or `PRIMARY KEY` and without a default.',
  breaks:
    'The existing rows have no value for the column, so the migration fails. `prisma migrate dev` then offers to reset the database, which deletes all data.',
  instead:
    'Three steps: add the column as nullable, fill the existing rows, then require it. The finding writes out the SQL.',
  on: ['AT_AddColumn'],
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
          index: indexOf(column.location),
          message:
            `Column ${escapeIdentifier(column.colname ?? '')} is required, but the existing rows of ${quoted(table)} ` +
            `(${context.sizeText(table)}) have no value for it. The migration fails, and \`prisma migrate dev\` offers to ` +
            `reset the database, which deletes all data.`,
          rewrite: threeSteps(table, column, context.isLarge(table)),
        },
      ];
    });
  },
};

/** Returns the three steps to a required column, for this table and this column. */
function threeSteps(table: TableName, column: ColumnDef, isLarge: boolean): string {
  const name = escapeIdentifier(column.colname ?? '');
  const type = columnType(column.typeName);
  const kinds = new Set(constraintsOf(column.constraints).map(({ contype }) => contype));
  const lines = [
    '-- Migration 1: add it as nullable, and release an application version that writes it',
    `SET lock_timeout = '5s';`,
    `ALTER TABLE ${quoted(table)} ADD COLUMN ${name} ${type.sql};`,
    '-- Migration 2: fill the existing rows',
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

/** Returns a value for the existing rows: the obvious one of the type, or one for the author to choose. */
function backfill(column: string, { name, isArray, sql }: ColumnType): string {
  const choose = (value: string): string => `${value} /* choose the value for the existing rows */`;
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
