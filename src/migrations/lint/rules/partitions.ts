import type { Node } from 'libpg-query';
import { commandsOf, objectName, quoted, type TableName, tableOf } from '../../sql/syntax-tree.js';
import type { Rule, RuleContext, Violation } from '../rule.js';
import type { KnownCheck } from '../schema-memory.js';

/** ATTACH PARTITION of a table whose rows no CHECK proves to belong there. */
export const attachPartition: Rule = {
  id: 'attach-partition',
  on: ['AlterTableStmt'],
  check: ({ node, index }, context) =>
    partitions(node, 'AT_AttachPartition').flatMap(({ parent, partition }): Violation[] => {
      if (!context.isLarge(partition)) return [];
      const checks = [...(context.schema.table(partition)?.checks.values() ?? [])];
      const { partitionColumns = [] } = context.schema.table(parent) ?? {};
      const isAboutBounds = (columns: readonly string[]): boolean =>
        partitionColumns.length === 0 || columns.some((column) => partitionColumns.includes(column));
      const proves = ({ isValidated, notNullColumn, columns }: KnownCheck): boolean =>
        isValidated && notNullColumn === undefined && isAboutBounds(columns);
      if (checks.some(proves)) return [];
      return [
        {
          severity: 'error',
          index,
          message:
            `ATTACH PARTITION reads all of ${quoted(partition)} (${context.sizeText(partition)}) under a lock that blocks ` +
            `reads and writes of it. A validated CHECK of the partition’s bounds avoids the reading.`,
          rewrite: [
            '-- One migration: the bounds as a constraint',
            `ALTER TABLE ${quoted(partition)} ADD CONSTRAINT … CHECK (…) NOT VALID;`,
            '-- The next one: reads the table under a lock that allows reads and writes',
            `ALTER TABLE ${quoted(partition)} VALIDATE CONSTRAINT …;`,
            '-- Then',
            `ALTER TABLE ${quoted(parent)} ATTACH PARTITION ${quoted(partition)} …;`,
          ].join('\n'),
        },
      ];
    }),
};

/** DETACH PARTITION without CONCURRENTLY. */
export const detachPartition: Rule = {
  id: 'detach-partition',
  on: ['AlterTableStmt'],
  check: ({ node, index }, context) =>
    partitions(node, 'AT_DetachPartition').flatMap(({ parent, partition, isConcurrent }): Violation[] => {
      if (isConcurrent || context.isNew(parent)) return [];
      return [
        {
          severity: 'warning',
          index,
          message: `DETACH PARTITION blocks reads and writes of ${quoted(parent)} with all its partitions, and waits for that behind every running query. The rows of ${quoted(partition)} are then no longer in ${quoted(parent)}.`,
          rewrite: `-- In a migration of its own, without any other statement\nALTER TABLE ${quoted(parent)} DETACH PARTITION ${quoted(partition)} CONCURRENTLY;`,
        },
      ];
    }),
};

/** CREATE or DROP INDEX CONCURRENTLY on a partitioned table, which PostgreSQL refuses. */
export const concurrentlyOnPartitioned: Rule = {
  id: 'concurrently-on-partitioned',
  stopsMigration: true,
  on: ['IndexStmt', 'DropStmt'],
  check: ({ node, index }, context) => {
    const tables = concurrentTables(node, context);
    const partitioned = tables.find((table) => context.schema.table(table)?.isPartitioned === true);
    if (!partitioned) return [];
    const what = 'IndexStmt' in node ? 'builds' : 'drops';
    return [
      {
        severity: 'error',
        index,
        message: `${quoted(partitioned)} is partitioned, and PostgreSQL ${what} no index of a partitioned table CONCURRENTLY: the migration fails.`,
        rewrite:
          what === 'builds'
            ? '-- CREATE INDEX … ON ONLY the partitioned table, CREATE INDEX CONCURRENTLY on each partition, then ALTER INDEX … ATTACH PARTITION.'
            : '-- Without CONCURRENTLY: the lock is short.',
      },
    ];
  },
};

function concurrentTables(node: Node, { schema }: RuleContext): TableName[] {
  if ('IndexStmt' in node) return node.IndexStmt.concurrent ? [tableOf(node.IndexStmt.relation)] : [];
  if (!('DropStmt' in node) || !node.DropStmt.concurrent) return [];
  return (node.DropStmt.objects ?? []).flatMap((object) => schema.index(objectName(object))?.table ?? []);
}

function partitions(node: Node, wanted: 'AT_AttachPartition' | 'AT_DetachPartition') {
  if (!('AlterTableStmt' in node) || node.AlterTableStmt.objtype !== 'OBJECT_TABLE') return [];
  const parent = tableOf(node.AlterTableStmt.relation);
  return commandsOf(node).flatMap(({ subtype, def }) =>
    subtype === wanted && def && 'PartitionCmd' in def
      ? [
          {
            parent,
            partition: tableOf(def.PartitionCmd.name),
            isConcurrent: def.PartitionCmd.concurrent === true,
          },
        ]
      : [],
  );
}
