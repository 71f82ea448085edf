import { blockEdge } from '../engine.js';
import type { Rule } from '../rule.js';

/** BEGIN that the file does not end, and ROLLBACK, which undoes what the history then has as applied. */
export const openTransaction: Rule = {
  id: 'open-transaction',
  stopsMigration: true,
  on: ['TransactionStmt'],
  check: (statement, context) => {
    const { node, index } = statement;
    if (!('TransactionStmt' in node)) return [];
    if (node.TransactionStmt.kind === 'TRANS_STMT_ROLLBACK') {
      return [
        {
          severity: 'error',
          index,
          message:
            'ROLLBACK undoes the statements before it, and the history has the migration as applied all the same.',
          rewrite: '-- Remove what is rolled back, and the ROLLBACK.',
        },
      ];
    }
    const isEnded = context.after(statement).some((later) => blockEdge(later.node) === 'end');
    if (blockEdge(node) !== 'begin' || isEnded) return [];
    return [
      {
        severity: 'error',
        index,
        message:
          'BEGIN opens a transaction that this file does not end: what is applied behind it can be rolled back with it.',
        rewrite: 'COMMIT; -- as the last statement of the file; or leave out BEGIN',
      },
    ];
  },
};
