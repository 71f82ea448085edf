import { escapeIdentifier } from 'pg';
import {
  addedColumns,
  addedConstraints,
  constraintsOf,
  objectName,
  quoted,
  stringsOf,
  type TableName,
  tableOf,
} from '../../sql/syntax-tree.js';
import type { StatementRule, Violation } from '../rule.js';
import { isProven, setNotNullSteps } from './required-columns.js';

export const createIndexBlocking: StatementRule = {
  id: 'create-index-not-concurrently',
  severity: 'error',
  summary: 'CREATE INDEX without CONCURRENTLY',
  breaks: 'Writes to the table wait until the index is built.',
  instead:
    '`CREATE INDEX CONCURRENTLY`, in a separate migration. On a partitioned table: `ON ONLY` it, then partition by partition.',
  largeTablesOnly: true,
  on: ['IndexStmt'],
  check: ({ node, index, sql }, context) => {
    if (!('IndexStmt' in node) || node.IndexStmt.concurrent) return [];
    // ON ONLY a partitioned table: nothing is built.
    if (!node.IndexStmt.relation?.inh) return [];
    const table = tableOf(node.IndexStmt.relation);
    if (!context.isLarge(table)) return [];
    const isPartitioned = context.schema.table(table)?.isPartitioned === true;
    return [
      {
        index,
        message: `CREATE INDEX blocks writes to ${quoted(table)} (${context.sizeText(table)}) until the index is built.`,
        rewrite: isPartitioned ? partByPart(sql) : alone(sql.replace(/\bINDEX\b/i, 'INDEX CONCURRENTLY')),
      },
    ];
  },
};

function alone(sql: string): string {
  return `-- In a separate migration, without any other statement\n${sql};`;
}

/** PostgreSQL cannot build an index of a partitioned table concurrently. */
function partByPart(sql: string): string {
  return [
    '-- An index of the partitioned table only: builds nothing',
    `${sql.replace(/\bON\b/i, 'ON ONLY')};`,
    '-- Then for each partition, each in a separate migration',
    'CREATE INDEX CONCURRENTLY … ON …; -- the partition, the same columns',
    '-- In the last one: the index is valid when the index of every partition is attached',
    'ALTER INDEX … ATTACH PARTITION …;',
  ].join('\n');
}

export const dropIndexBlocking: StatementRule = {
  id: 'drop-index-not-concurrently',
  severity: 'warning',
  summary: 'DROP INDEX without CONCURRENTLY',
  details:
    'Only if no `lock_timeout` is set. With one, the wait is short: that of any `ALTER TABLE`. `pgkeep migrate deploy` sets one.',
  breaks:
    'While `DROP INDEX` waits for its lock behind a long query, every other query on the table waits too.',
  instead: '`DROP INDEX CONCURRENTLY`, in a separate migration.',
  isOptional: true,
  on: ['DropStmt'],
  check: ({ node, index }, context) => {
    if (!('DropStmt' in node) || context.lockTimeoutIsSet) return [];
    const { removeType, concurrent, objects = [] } = node.DropStmt;
    if (removeType !== 'OBJECT_INDEX' || concurrent) return [];
    const isOfNewTable = (name: TableName): boolean => {
      const table = context.schema.index(name)?.table;
      return table !== undefined && context.isNew(table);
    };
    const names = objects
      .map((object) => objectName(object))
      .filter((name) => !isOfNewTable(name))
      .map((name) => quoted(name));
    if (names.length === 0) return [];
    return [
      {
        index,
        message: `DROP INDEX takes a lock that blocks reads and writes of the table of ${names.join(', ')}. While it waits for that lock behind a running query, every other query waits too, and no lock_timeout limits the wait.`,
        rewrite: names
          .map((name) => `DROP INDEX CONCURRENTLY ${name}; -- in a separate migration`)
          .join('\n'),
      },
    ];
  },
};

export const constraintBuildsIndex: StatementRule = {
  id: 'constraint-builds-index',
  severity: 'error',
  summary: 'ADD PRIMARY KEY, UNIQUE or EXCLUDE that builds its index',
  details: 'As a table constraint, or with a new column. Not with `USING INDEX`.',
  breaks:
    'PostgreSQL builds the index under an `ACCESS EXCLUSIVE` lock. Reads and writes of the table wait until that is done.',
  instead:
    'Build the index with `CREATE UNIQUE INDEX CONCURRENTLY` in a separate migration, then add the constraint with `USING INDEX`.',
  largeTablesOnly: true,
  on: ['AT_AddColumn', 'AT_AddConstraint'],
  check: ({ node, indexOf }, context) => {
    if (!('AlterTableStmt' in node)) return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (!context.isLarge(table)) return [];
    const ofColumns = addedColumns(node).flatMap((column) =>
      constraintsOf(column.constraints).map((constraint) =>
        Object.assign({ keys: [{ String: { sval: column.colname ?? '' } }] }, constraint),
      ),
    );
    return [...addedConstraints(node), ...ofColumns].flatMap((constraint): Violation[] => {
      const { contype, conname, keys, indexname, location } = constraint;
      const kind = { CONSTR_UNIQUE: 'UNIQUE', CONSTR_PRIMARY: 'PRIMARY KEY', CONSTR_EXCLUSION: 'EXCLUDE' }[
        String(contype)
      ];
      if (kind === undefined || indexname !== undefined) return [];
      const name = escapeIdentifier(conname ?? `${table.name}_${stringsOf(keys).join('_')}_key`);
      const columns = stringsOf(keys)
        .map((key) => escapeIdentifier(key))
        .join(', ');
      // A primary key sets its columns NOT NULL, which reads the table unless a CHECK proves it.
      const nullable =
        kind === 'PRIMARY KEY' ? stringsOf(keys).filter((key) => !isProven(table, key, context)) : [];
      return [
        {
          index: indexOf(location),
          message: `ADD ${kind} builds its index under a lock that blocks reads and writes of ${quoted(table)} (${context.sizeText(table)}).`,
          rewrite:
            kind === 'EXCLUDE'
              ? '-- PostgreSQL cannot build this index concurrently. Apply this while the application is stopped, and waive the finding with that reason.'
              : [
                  ...nullable.flatMap((key) => setNotNullSteps(table, key, { isLarge: true, first: 1 })),
                  '-- In a separate migration:',
                  `CREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${quoted(table)}(${columns});`,
                  '-- In the next migration:',
                  `SET lock_timeout = '5s';`,
                  `ALTER TABLE ${quoted(table)} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name};`,
                ].join('\n'),
        },
      ];
    });
  },
};
