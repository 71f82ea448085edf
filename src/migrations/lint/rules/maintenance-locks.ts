import type { ReindexStmt } from 'libpg-query';
import { quoted, type TableName, tableOf } from '../../sql/syntax-tree.js';
import { isReindexConcurrently } from '../engine.js';
import type { RuleContext, StatementRule, Violation } from '../rule.js';

/** The modes of LOCK TABLE that block writes, by PostgreSQL's number. */
const BLOCKING_MODES: Readonly<Record<number, string>> = {
  5: 'SHARE',
  6: 'SHARE ROW EXCLUSIVE',
  7: 'EXCLUSIVE',
  8: 'ACCESS EXCLUSIVE',
};

export const reindexBlocking: StatementRule = {
  id: 'reindex-not-concurrently',
  severity: 'error',
  summary: 'REINDEX without CONCURRENTLY',
  breaks: 'Writes to the table, and reads that use the index, wait until the index is built.',
  instead: '`REINDEX … CONCURRENTLY`, in a separate migration.',
  largeTablesOnly: true,
  on: ['ReindexStmt'],
  check: ({ node, index, sql }, context) => {
    if (!('ReindexStmt' in node) || isReindexConcurrently(node)) return [];
    const { table, subject } = reindexed(node.ReindexStmt, context);
    if (table && !context.isLarge(table)) return [];
    return [
      {
        index,
        message: `REINDEX blocks writes to ${subject}, and reads that use the index, until the index is built.`,
        rewrite: `-- In a separate migration, without any other statement\n${sql.replace(/\b(INDEX|TABLE|SCHEMA|DATABASE)\b/i, '$1 CONCURRENTLY')};`,
      },
    ];
  },
};

export const refreshBlocking: StatementRule = {
  id: 'refresh-not-concurrently',
  severity: 'error',
  summary: 'REFRESH MATERIALIZED VIEW without CONCURRENTLY',
  details: 'Also `WITH NO DATA`, which empties the view.',
  breaks:
    'Reads of the view wait until its query is done. `WITH NO DATA`: queries fail until the next refresh.',
  instead: '`REFRESH MATERIALIZED VIEW CONCURRENTLY`, which needs a unique index on the view.',
  on: ['RefreshMatViewStmt'],
  check: ({ node, index }, context) => {
    if (!('RefreshMatViewStmt' in node)) return [];
    const { relation, concurrent, skipData } = node.RefreshMatViewStmt;
    const view = tableOf(relation);
    if (concurrent || context.isNew(view)) return [];
    return [
      {
        index,
        message: skipData
          ? `REFRESH … WITH NO DATA empties ${quoted(view)}. Every query on it fails until the next refresh.`
          : `REFRESH MATERIALIZED VIEW blocks reads of ${quoted(view)} until its query is done.`,
        rewrite: `REFRESH MATERIALIZED VIEW CONCURRENTLY ${quoted(view)}; -- needs a unique index on the view`,
      },
    ];
  },
};

export const lockTable: StatementRule = {
  id: 'lock-table',
  severity: 'warning',
  summary: 'LOCK TABLE that blocks writes',
  breaks: 'Writes to the table wait until the transaction ends; reads as well in `ACCESS EXCLUSIVE` mode.',
  instead: 'Remove it: each statement takes the lock that it needs.',
  on: ['LockStmt'],
  check: ({ node, index }, context) => {
    if (!('LockStmt' in node)) return [];
    const mode = BLOCKING_MODES[node.LockStmt.mode ?? 0];
    if (mode === undefined) return [];
    const what = mode === 'ACCESS EXCLUSIVE' ? 'reads and writes' : 'writes';
    return (node.LockStmt.relations ?? []).flatMap((relation): Violation[] => {
      if (!('RangeVar' in relation) || context.isNew(tableOf(relation.RangeVar))) return [];
      const table = quoted(tableOf(relation.RangeVar));
      return [
        {
          index,
          message: `LOCK TABLE in ${mode} mode blocks ${what} of ${table} until the transaction ends.`,
          rewrite: '-- Remove it: each statement takes the lock that it needs.',
        },
      ];
    });
  },
};

function reindexed(
  { kind, relation, name }: ReindexStmt,
  { schema }: RuleContext,
): { table: TableName | undefined; subject: string } {
  if (!relation) return { table: undefined, subject: `every table of ${name ?? 'the database'}` };
  const named = tableOf(relation);
  if (kind === 'REINDEX_OBJECT_TABLE') return { table: named, subject: quoted(named) };
  const table = schema.index(named)?.table;
  return { table, subject: table ? quoted(table) : `the table of ${quoted(named)}` };
}
