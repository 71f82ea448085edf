import type { ReindexStmt } from 'libpg-query';
import { quoted, type TableName, tableOf } from '../../sql/syntax-tree.js';
import { isReindexConcurrently } from '../engine.js';
import type { Rule, RuleContext, Violation } from '../rule.js';

/** The modes of LOCK TABLE that block writes, by PostgreSQL's number. */
const BLOCKING_MODES: Readonly<Record<number, string>> = {
  5: 'SHARE',
  6: 'SHARE ROW EXCLUSIVE',
  7: 'EXCLUSIVE',
  8: 'ACCESS EXCLUSIVE',
};

/** REINDEX without CONCURRENTLY. */
export const reindexBlocking: Rule = {
  id: 'reindex-not-concurrently',
  on: ['ReindexStmt'],
  check: ({ node, index, sql }, context) => {
    if (!('ReindexStmt' in node) || isReindexConcurrently(node)) return [];
    const { table, subject } = reindexed(node.ReindexStmt, context);
    if (table && !context.isLarge(table)) return [];
    return [
      {
        severity: 'error',
        index,
        message: `REINDEX blocks writes to ${subject}, and reads that use the index, until it is built.`,
        rewrite: `-- In a migration of its own, without any other statement\n${sql.replace(/\b(INDEX|TABLE|SCHEMA|DATABASE)\b/i, '$1 CONCURRENTLY')};`,
      },
    ];
  },
};

/** REFRESH MATERIALIZED VIEW without CONCURRENTLY, or WITH NO DATA. */
export const refreshBlocking: Rule = {
  id: 'refresh-not-concurrently',
  on: ['RefreshMatViewStmt'],
  check: ({ node, index }, context) => {
    if (!('RefreshMatViewStmt' in node)) return [];
    const { relation, concurrent, skipData } = node.RefreshMatViewStmt;
    const view = tableOf(relation);
    if (concurrent || context.isNew(view)) return [];
    return [
      {
        severity: 'error',
        index,
        message: skipData
          ? `REFRESH … WITH NO DATA empties ${quoted(view)}: every query on it fails until it is refreshed again.`
          : `REFRESH MATERIALIZED VIEW blocks reads of ${quoted(view)} until its query is done.`,
        rewrite: `REFRESH MATERIALIZED VIEW CONCURRENTLY ${quoted(view)}; -- needs a unique index on the view`,
      },
    ];
  },
};

/** LOCK TABLE in a mode that blocks writes. */
export const lockTable: Rule = {
  id: 'lock-table',
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
          severity: 'warning',
          index,
          message: `LOCK TABLE in ${mode} mode blocks ${what} of ${table} until the transaction ends.`,
          rewrite: '-- Leave it out: each statement takes the lock that it needs.',
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
