import type { Node } from 'libpg-query';
import type { Statement } from '../sql/statements.js';
import { commandsOf } from '../sql/syntax-tree.js';

/** The programs that can apply a file. They run a file of several statements in different ways. */
export const ENGINES = ['pgkeep', 'prisma', 'prisma-before-7.4'] as const;
export type Engine = (typeof ENGINES)[number];

/** Their names in texts. */
export const ENGINE_NAMES: Readonly<Record<Engine, string>> = {
  pgkeep: '`pgkeep migrate deploy`',
  prisma: 'Prisma 7.4 and later',
  'prisma-before-7.4': 'Prisma before 7.4',
};

/** The number of the transaction of each statement. */
export type Transactions = ReadonlyMap<Statement, number>;

/**
 * Numbers the transactions of a file. pgkeep applies a file as one transaction if PostgreSQL allows it, and statement
 * by statement otherwise. Prisma since 7.4 sends every statement by itself (prisma-engines #5767), and the complete file
 * only if its own parser fails (#5847); earlier versions always send the complete file. Pure.
 * @param mustSplit whether a statement uses what an earlier one must commit first
 */
export function transactionsOf(
  statements: readonly Statement[],
  engine: Engine,
  mustSplit: boolean,
): Transactions {
  const isOne = sendsAsOne(statements, engine, mustSplit);
  const numbers = new Map<Statement, number>();
  let number = 0;
  let isInBlock = false;
  for (const statement of statements) {
    const block = blockEdge(statement.node);
    // In a file that is sent as one, the transaction includes what is before BEGIN.
    if (!isOne && !isInBlock) number += 1;
    numbers.set(statement, number);
    if (block === 'begin') isInBlock = true;
    if (block === 'end') {
      isInBlock = false;
      number += 1;
    }
  }
  return numbers;
}

function sendsAsOne(statements: readonly Statement[], engine: Engine, mustSplit: boolean): boolean {
  if (engine === 'prisma-before-7.4') return true;
  if (engine === 'prisma') return statements.some(({ node }) => isUnreadByPrisma(node));
  return !mustSplit && !statements.some(({ node }) => refusedInTransaction(node) ?? blockEdge(node));
}

/** Returns whether a statement begins or ends a transaction block. */
export function blockEdge(node: Node): 'begin' | 'end' | undefined {
  if (!('TransactionStmt' in node)) return undefined;
  const { kind = '' } = node.TransactionStmt;
  if (/^TRANS_STMT_(BEGIN|START)$/.test(kind)) return 'begin';
  return /^TRANS_STMT_(COMMIT|ROLLBACK|PREPARE)$/.test(kind) ? 'end' : undefined;
}

/** Returns whether Prisma's parser cannot, or probably cannot, read a statement: it then sends the complete file. */
export function isUnreadByPrisma(node: Node): boolean {
  const what = refusedInTransaction(node);
  return what !== undefined && what !== 'CREATE INDEX CONCURRENTLY';
}

const ALWAYS_ALONE: Readonly<Record<string, string>> = {
  AlterSystemStmt: 'ALTER SYSTEM',
  CreatedbStmt: 'CREATE DATABASE',
  DropdbStmt: 'DROP DATABASE',
  CreateTableSpaceStmt: 'CREATE TABLESPACE',
  DropTableSpaceStmt: 'DROP TABLESPACE',
};

/** Returns the name of a statement that PostgreSQL refuses inside a transaction; undefined for any other. */
export function refusedInTransaction(node: Node): string | undefined {
  if ('IndexStmt' in node && node.IndexStmt.concurrent) return 'CREATE INDEX CONCURRENTLY';
  if ('DropStmt' in node && node.DropStmt.concurrent) return 'DROP INDEX CONCURRENTLY';
  if ('ReindexStmt' in node) {
    if (isReindexConcurrently(node)) return 'REINDEX CONCURRENTLY';
    const kind = /_(SCHEMA|DATABASE|SYSTEM)$/.exec(node.ReindexStmt.kind ?? '')?.[1];
    return kind && `REINDEX ${kind}`;
  }
  if (commandsOf(node).some(({ def }) => def && 'PartitionCmd' in def && def.PartitionCmd.concurrent)) {
    return 'DETACH PARTITION CONCURRENTLY';
  }
  if ('VacuumStmt' in node && node.VacuumStmt.is_vacuumcmd) return 'VACUUM';
  if ('ClusterStmt' in node && !node.ClusterStmt.relation) return 'CLUSTER of every table';
  if ('DiscardStmt' in node && node.DiscardStmt.target === 'DISCARD_ALL') return 'DISCARD ALL';
  return ALWAYS_ALONE[Object.keys(node)[0] ?? ''];
}

export function isReindexConcurrently(node: Node): boolean {
  if (!('ReindexStmt' in node)) return false;
  return (node.ReindexStmt.params ?? []).some(
    (option) => 'DefElem' in option && option.DefElem.defname === 'concurrently',
  );
}
