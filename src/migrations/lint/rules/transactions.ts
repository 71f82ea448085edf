import type { Node } from 'libpg-query';
import type { Statement } from '../../sql/statements.js';
import { blockEdge, ENGINE_NAMES, refusedInTransaction } from '../engine.js';
import type { RuleContext, StatementRule } from '../rule.js';

export const concurrentlyInTransaction: StatementRule = {
  id: 'concurrently-in-transaction',
  severity: 'warning',
  otherwise: 'an error if the file is sent as one transaction',
  summary:
    'CONCURRENTLY, VACUUM or another statement that PostgreSQL refuses inside a transaction, beside others',
  details:
    '`CREATE INDEX CONCURRENTLY`, `VACUUM`, `ALTER SYSTEM`, `DISCARD ALL` and others in a file of several statements. What happens depends on [the program that applies the file](#which-program-applies-the-file).',
  breaks:
    'If the file is sent as one transaction, the migration fails. Otherwise its statements are applied one by one, and if one of them fails, those before it stay applied.',
  instead: 'A separate migration for that statement.',
  stopsMigration: true,
  on: [
    'AT_DetachPartition',
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
    const rewrite = `-- In a separate migration, without any other statement\n${statement.sql};`;
    const { index } = statement;
    const why = whyInTransaction(statement, what, context);
    if (why !== undefined) {
      const message = `${what} cannot run inside a transaction, and ${why}: the migration fails.`;
      return [{ index, message, rewrite, severity: 'error' }];
    }
    const { statements, engine } = context;
    const others = statements.filter((other) => other !== statement && !isRepeatable(other.node));
    const isFirst = statements.find(({ node }) => refusedInTransaction(node) !== undefined) === statement;
    if (others.length === 0 || !isFirst) return [];
    const message =
      `${what} cannot run inside a transaction, so ${ENGINE_NAMES[engine]} applies the ${statements.length} ` +
      'statements of this file one by one. If one of them fails, those before it stay applied.';
    return [{ index, message, rewrite }];
  },
};

/** Says why the statement would run inside a transaction; undefined if it runs alone. */
function whyInTransaction(statement: Statement, what: string, context: RuleContext): string | undefined {
  if (statement.block) return 'a DO block always runs in one';
  const { statements, engine } = context;
  const shares = statements.some(
    (other) => other !== statement && context.shareTransaction(statement, other),
  );
  if (!shares) return undefined;
  const count = `the ${statements.length} statements of this file`;
  if (engine === 'prisma-before-7.4') return `${ENGINE_NAMES[engine]} sends ${count} as one transaction`;
  if (statements.some(({ node }) => 'TransactionStmt' in node)) return 'it is between BEGIN and COMMIT';
  return (
    `${ENGINE_NAMES[engine]} splits a file only if its own parser can read every statement. That parser probably cannot ` +
    `read ${what} (prisma-engines #5847), so ${count} are sent as one transaction`
  );
}

/** Whether a statement can be applied again after the file has failed. */
function isRepeatable(node: Node): boolean {
  if ('VariableSetStmt' in node) return true;
  if ('IndexStmt' in node) return node.IndexStmt.concurrent === true && node.IndexStmt.if_not_exists === true;
  return 'DropStmt' in node && node.DropStmt.concurrent === true && node.DropStmt.missing_ok === true;
}

export const openTransaction: StatementRule = {
  id: 'open-transaction',
  severity: 'error',
  summary: 'BEGIN without COMMIT, or ROLLBACK',
  breaks: 'PostgreSQL rolls the statements back, but the history records the migration as applied.',
  instead: 'End the transaction with `COMMIT`; remove what is rolled back.',
  stopsMigration: true,
  on: ['TransactionStmt'],
  check: (statement, context) => {
    const { node, index } = statement;
    if (!('TransactionStmt' in node)) return [];
    if (node.TransactionStmt.kind === 'TRANS_STMT_ROLLBACK') {
      return [
        {
          index,
          message:
            'ROLLBACK undoes the statements before it, but the history records the migration as applied.',
          rewrite: '-- Remove the statements that are rolled back, and the ROLLBACK.',
        },
      ];
    }
    const isEnded = context.after(statement).some((later) => blockEdge(later.node) === 'end');
    if (blockEdge(node) !== 'begin' || isEnded) return [];
    return [
      {
        index,
        message:
          'BEGIN opens a transaction that this file does not end. PostgreSQL may roll back every statement after it.',
        rewrite: 'COMMIT; -- as the last statement of the file; or remove BEGIN',
      },
    ];
  },
};
