import { escapeIdentifier } from 'pg';
import { commandsOf, quoted, tableOf } from '../ast.js';
import type { Rule } from '../rule.js';
import { setNotNullSteps } from './set-not-null-steps.js';

/** SET NOT NULL that has to read the whole table, because no validated CHECK proves it. */
export const setNotNull: Rule = {
  id: 'set-not-null',
  on: ['AlterTableStmt'],
  check: ({ node, index }, context) => {
    if (!('AlterTableStmt' in node)) return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (!context.isLarge(table)) return [];
    const known = context.schema.table(table);
    const proofs = [...(known?.checks.values() ?? [])].filter(({ isValidated }) => isValidated);
    const columns = commandsOf(node)
      .filter(
        ({ subtype, name = '' }) => subtype === 'AT_SetNotNull' && !known?.columns.get(name)?.isRequired,
      )
      .map(({ name = '' }) => name)
      .filter((column) => !proofs.some((check) => check.notNullColumn === column));
    const checks = columns.map((column) => `CHECK (${escapeIdentifier(column)} IS NOT NULL)`);
    if (columns.length === 0) return [];
    return [
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
