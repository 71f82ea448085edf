import type { Node } from 'libpg-query';
import { commandsOf, objectName, quoted, type TableName, tableOf } from '../../sql/syntax-tree.js';
import type { RuleContext, StatementRule, Violation } from '../rule.js';
import type { KnownCheck } from '../schema-memory.js';

export const attachPartition: StatementRule = {
  id: 'attach-partition',
  severity: 'error',
  summary: 'ATTACH PARTITION without a validated CHECK',
  breaks:
    'PostgreSQL reads the new partition to check that its rows belong there. Reads and writes of it wait until that is done.',
  instead: 'First add the bounds to the table as a `CHECK` with `NOT VALID`, and validate it.',
  largeTablesOnly: true,
  on: ['AT_AttachPartition'],
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
          index,
          message:
            `ATTACH PARTITION reads all of ${quoted(partition)} (${context.sizeText(partition)}) under a lock that blocks ` +
            `reads and writes of it. With a validated CHECK of the partition’s bounds, nothing is read.`,
          rewrite: [
            '-- Migration 1: the bounds as a constraint',
            `ALTER TABLE ${quoted(partition)} ADD CONSTRAINT … CHECK (…) NOT VALID;`,
            '-- Migration 2: reads the table under a lock that allows reads and writes',
            `ALTER TABLE ${quoted(partition)} VALIDATE CONSTRAINT …;`,
            '-- Migration 3: reads nothing',
            `ALTER TABLE ${quoted(parent)} ATTACH PARTITION ${quoted(partition)} …;`,
          ].join('\n'),
        },
      ];
    }),
};

export const detachPartition: StatementRule = {
  id: 'detach-partition',
  severity: 'warning',
  summary: 'DETACH PARTITION without CONCURRENTLY',
  breaks:
    'Reads and writes of the partitioned table and all its partitions wait while it waits for its lock behind running queries.',
  instead: '`DETACH PARTITION … CONCURRENTLY`, in a separate migration.',
  on: ['AT_DetachPartition'],
  check: ({ node, index }, context) =>
    partitions(node, 'AT_DetachPartition').flatMap(({ parent, partition, isConcurrent }): Violation[] => {
      if (isConcurrent || context.isNew(parent)) return [];
      return [
        {
          index,
          message: `DETACH PARTITION blocks reads and writes of ${quoted(parent)} and all its partitions while it waits for its lock behind running queries. Afterwards the rows of ${quoted(partition)} are no longer in ${quoted(parent)}.`,
          rewrite: `-- In a separate migration, without any other statement\nALTER TABLE ${quoted(parent)} DETACH PARTITION ${quoted(partition)} CONCURRENTLY;`,
        },
      ];
    }),
};

export const concurrentlyOnPartitioned: StatementRule = {
  id: 'concurrently-on-partitioned',
  severity: 'error',
  summary: 'CREATE or DROP INDEX CONCURRENTLY on a partitioned table',
  breaks: 'PostgreSQL refuses the statement, so the migration fails.',
  instead:
    '`CREATE INDEX … ON ONLY` the partitioned table, `CREATE INDEX CONCURRENTLY` on each partition, then attach these. `DROP INDEX` without `CONCURRENTLY`.',
  stopsMigration: true,
  on: ['IndexStmt', 'DropStmt'],
  check: ({ node, index }, context) => {
    const tables = concurrentTables(node, context);
    const partitioned = tables.find((table) => context.schema.table(table)?.isPartitioned === true);
    if (!partitioned) return [];
    const what = 'IndexStmt' in node ? 'create' : 'drop';
    return [
      {
        index,
        message: `${quoted(partitioned)} is partitioned, and PostgreSQL cannot ${what} an index of a partitioned table CONCURRENTLY. The migration fails.`,
        rewrite:
          what === 'create'
            ? '-- CREATE INDEX … ON ONLY the partitioned table, CREATE INDEX CONCURRENTLY on each partition, then ALTER INDEX … ATTACH PARTITION.'
            : '-- Remove CONCURRENTLY: the lock is short.',
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
