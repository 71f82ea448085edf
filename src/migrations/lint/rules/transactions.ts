import type { Node } from 'libpg-query';
import type { Statement } from '../../sql/statements.js';
import { blockEdge, ENGINE_NAMES, refusedInTransaction } from '../engine.js';
import type { Rule, RuleContext } from '../rule.js';

/** What PostgreSQL refuses inside a transaction, in a file of several statements. */
export const concurrentlyInTransaction: Rule = {
  id: 'concurrently-in-transaction',
  stopsMigration: true,
  on: [
    'AlterTableStmt',
    'IndexStmt',
    'DropStmt',
    'ReindexStmt',
    'ClusterStmt',
    'VacuumStmt',
    'DiscardStmt',
    'AlterSystemStmt',
    'CreatedbStmt',
    'DropdbStmt',
    'CreateTableSpaceStmt',
    'DropTableSpaceStmt',
  ],
  check: (statement, context) => {
    const what = refusedInTransaction(statement.node);
    if (what === undefined) return [];
    const rewrite = `-- In a migration of its own, without any other statement\n${statement.sql};`;
    const { index } = statement;
    const why = whyInTransaction(statement, what, context);
    if (why !== undefined) {
      const message = `${what} cannot run inside a transaction, and ${why}: the migration fails.`;
      return [{ severity: 'error', index, message, rewrite }];
    }
    const { statements, engine } = context;
    const others = statements.filter((other) => other !== statement && !isRepeatable(other.node));
    const isFirst = statements.find(({ node }) => refusedInTransaction(node) !== undefined) === statement;
    if (others.length === 0 || !isFirst) return [];
    const message =
      `${what} cannot run inside a transaction, so ${ENGINE_NAMES[engine]} applies the ${statements.length} ` +
      'statements of this file one by one. Where one of them fails, those before it stay applied.';
    return [{ severity: 'warning', index, message, rewrite }];
  },
};

/** Why the statement would run inside a transaction; undefined where it runs alone. */
function whyInTransaction(statement: Statement, what: string, context: RuleContext): string | undefined {
  if (statement.block) return 'a DO block is one';
  const { statements, engine } = context;
  const shares = statements.some(
    (other) => other !== statement && context.shareTransaction(statement, other),
  );
  if (!shares) return undefined;
  const count = `the ${statements.length} statements of this file`;
  if (engine === 'prisma-before-7.4') return `${ENGINE_NAMES[engine]} sends ${count} as one`;
  if (statements.some(({ node }) => 'TransactionStmt' in node)) return 'it stands between BEGIN and COMMIT';
  return (
    `${ENGINE_NAMES[engine]} splits a file only where its own parser reads every statement: that parser is not ` +
    `known to read ${what} (prisma-engines #5847), so ${count} are sent as one`
  );
}

/** What does no harm when it is applied, and the file fails behind it and is applied again. */
function isRepeatable(node: Node): boolean {
  if ('VariableSetStmt' in node) return true;
  if ('IndexStmt' in node) return node.IndexStmt.concurrent === true && node.IndexStmt.if_not_exists === true;
  return 'DropStmt' in node && node.DropStmt.concurrent === true && node.DropStmt.missing_ok === true;
}

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
