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
import type { Rule, Violation } from '../rule.js';
import { isProven, setNotNullSteps } from './required-columns.js';

/** CREATE INDEX without CONCURRENTLY: nobody writes while it is built. */
export const createIndexBlocking: Rule = {
  id: 'create-index-not-concurrently',
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
        severity: 'error',
        index,
        message: `CREATE INDEX lets nobody write to ${quoted(table)} (${context.sizeText(table)}) until it is built.`,
        rewrite: isPartitioned ? partByPart(sql) : alone(sql.replace(/\bINDEX\b/i, 'INDEX CONCURRENTLY')),
      },
    ];
  },
};

function alone(sql: string): string {
  return `-- In a migration of its own, without any other statement\n${sql};`;
}

/** PostgreSQL builds no index of a partitioned table concurrently. */
function partByPart(sql: string): string {
  return [
    '-- An index of the partitioned table alone: builds nothing',
    `${sql.replace(/\bON\b/i, 'ON ONLY')};`,
    '-- Then for each partition, each in a migration of its own',
    'CREATE INDEX CONCURRENTLY … ON …; -- the partition, the same columns',
    '-- And the last one: it is whole when every partition’s index is attached',
    'ALTER INDEX … ATTACH PARTITION …;',
  ].join('\n');
}

/**
 * DROP INDEX without CONCURRENTLY waits for whatever reads the table, and makes the next ones wait. Under a
 * `lock_timeout` that is short, and no more than any other ALTER TABLE does.
 */
export const dropIndexBlocking: Rule = {
  id: 'drop-index-not-concurrently',
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
        severity: 'warning',
        index,
        message: `DROP INDEX takes a lock that lets nobody read or write the table of ${names.join(', ')}, and waits for it behind every running query; no lock_timeout limits that.`,
        rewrite: names
          .map((name) => `DROP INDEX CONCURRENTLY ${name}; -- in a migration of its own`)
          .join('\n'),
      },
    ];
  },
};

/** ADD PRIMARY KEY, UNIQUE or EXCLUDE, by itself or with a new column, builds an index while nobody reads or writes. */
export const constraintBuildsIndex: Rule = {
  id: 'constraint-builds-index',
  on: ['AlterTableStmt'],
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
      // A primary key sets its columns NOT NULL, which reads the table unless something proves it.
      const nullable =
        kind === 'PRIMARY KEY' ? stringsOf(keys).filter((key) => !isProven(table, key, context)) : [];
      return [
        {
          severity: 'error',
          index: indexOf(location),
          message: `ADD ${kind} builds its index under a lock that lets nobody read or write ${quoted(table)} (${context.sizeText(table)}).`,
          rewrite:
            kind === 'EXCLUDE'
              ? '-- PostgreSQL cannot build this index concurrently: apply it while the application is stopped, and waive this with that reason.'
              : [
                  ...nullable.flatMap((key) => setNotNullSteps(table, key, { isLarge: true, first: 1 })),
                  '-- A migration of its own:',
                  `CREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${quoted(table)}(${columns});`,
                  '-- The next one:',
                  `SET lock_timeout = '5s';`,
                  `ALTER TABLE ${quoted(table)} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name};`,
                ].join('\n'),
        },
      ];
    });
  },
};
