import { escapeIdentifier } from 'pg';
import { addedConstraints, commandsOf, quoted, tableOf, type TableName } from '../ast.js';
import type { Rule, RuleContext, Violation } from '../rule.js';
import { setNotNullSteps } from './set-not-null-steps.js';

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
