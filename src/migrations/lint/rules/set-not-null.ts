import { escapeIdentifier } from 'pg';
import { commandsOf, quoted, tableOf } from '../ast.js';
import type { Rule, Violation } from '../rule.js';
import { setNotNullSteps } from './set-not-null-steps.js';

/** SET NOT NULL that has to read the whole table, because no validated CHECK proves it. */
export const setNotNull: Rule = {
  id: 'set-not-null',
  on: ['AlterTableStmt'],
  holdsLock: true,
  check: ({ node, index }, context) => {
    if (!('AlterTableStmt' in node)) return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (!context.isLarge(table)) return [];
    const known = context.schema.table(table);
    return commandsOf(node).flatMap(({ subtype, name: column = '' }): Violation[] => {
      if (subtype !== 'AT_SetNotNull' || known?.columns.get(column)?.isRequired) return [];
      const proofs = [...(known?.checks.values() ?? [])];
      if (proofs.some((check) => check.notNullColumn === column && check.isValidated)) return [];
      return [
        {
          severity: 'error',
          index,
          message:
            `SET NOT NULL reads all of ${quoted(table)} (${context.sizeText(table)}) under a lock that lets nobody ` +
            `read or write it. A validated CHECK (${escapeIdentifier(column)} IS NOT NULL) spares the reading.`,
          rewrite: setNotNullSteps(table, column, { isLarge: true, first: 1 }).join('\n'),
        },
      ];
    });
  },
};
