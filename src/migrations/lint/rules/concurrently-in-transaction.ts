import type { Node } from 'libpg-query';
import { commandsOf } from '../ast.js';
import type { Rule } from '../rule.js';

/** What PostgreSQL refuses inside a transaction, in a file of several statements. */
export const concurrentlyInTransaction: Rule = {
  id: 'concurrently-in-transaction',
  on: [
    'AlterTableStmt',
    'IndexStmt',
    'DropStmt',
    'ReindexStmt',
    'VacuumStmt',
    'AlterSystemStmt',
    'CreatedbStmt',
    'DropdbStmt',
  ],
  check: ({ node, index, sql }, { statementCount }) => {
    const what = refusedInTransaction(node);
    if (what === undefined || statementCount < 2) return [];
    return [
      {
        severity: 'error',
        index,
        message: `${what} cannot run inside a transaction, and Prisma sends the ${statementCount} statements of this file as one: the migration fails.`,
        rewrite: `-- In a migration of its own, without any other statement (a SET is one, too)\n${sql};`,
      },
    ];
  },
};

/** How the statement is called, where PostgreSQL insists on running it alone. */
export function refusedInTransaction(node: Node): string | undefined {
  if ('IndexStmt' in node && node.IndexStmt.concurrent) return 'CREATE INDEX CONCURRENTLY';
  if ('DropStmt' in node && node.DropStmt.concurrent) return 'DROP INDEX CONCURRENTLY';
  if ('ReindexStmt' in node && JSON.stringify(node).includes('"concurrently"')) return 'REINDEX CONCURRENTLY';
  if (commandsOf(node).some(({ def }) => def && 'PartitionCmd' in def && def.PartitionCmd.concurrent)) {
    return 'DETACH PARTITION CONCURRENTLY';
  }
  if ('VacuumStmt' in node && node.VacuumStmt.is_vacuumcmd) return 'VACUUM';
  if ('AlterSystemStmt' in node) return 'ALTER SYSTEM';
  if ('CreatedbStmt' in node) return 'CREATE DATABASE';
  if ('DropdbStmt' in node) return 'DROP DATABASE';
  return undefined;
}
