import { escapeIdentifier } from 'pg';
import { commandsOf, objectName, quoted, stringsOf, tableOf } from '../ast.js';
import type { Rule, Violation } from '../rule.js';

/** CREATE INDEX without CONCURRENTLY: nobody writes while it is built. */
export const createIndexBlocking: Rule = {
  id: 'create-index-not-concurrently',
  on: ['IndexStmt'],
  holdsLock: true,
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
  return `-- In a migration of its own, without any other statement: Prisma would put both into one transaction\n${sql};`;
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

/** DROP INDEX without CONCURRENTLY waits for everybody who reads the table, and makes the next ones wait. */
export const dropIndexBlocking: Rule = {
  id: 'drop-index-not-concurrently',
  on: ['DropStmt'],
  check: ({ node, index }) => {
    if (!('DropStmt' in node)) return [];
    const { removeType, concurrent, objects = [] } = node.DropStmt;
    if (removeType !== 'OBJECT_INDEX' || concurrent) return [];
    const names = objects.map((object) => quoted(objectName(object)));
    return [
      {
        severity: 'warning',
        index,
        message: `DROP INDEX takes a lock that lets nobody read or write the table of ${names.join(', ')}, and waits for it behind every running query.`,
        rewrite: names
          .map((name) => `DROP INDEX CONCURRENTLY ${name}; -- in a migration of its own`)
          .join('\n'),
      },
    ];
  },
};

/** ADD PRIMARY KEY, UNIQUE or EXCLUDE builds an index while nobody reads or writes. */
export const constraintBuildsIndex: Rule = {
  id: 'constraint-builds-index',
  on: ['AlterTableStmt'],
  holdsLock: true,
  check: ({ node, indexOf }, context) => {
    if (!('AlterTableStmt' in node)) return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (!context.isLarge(table)) return [];
    return commandsOf(node).flatMap(({ subtype, def }): Violation[] => {
      if (subtype !== 'AT_AddConstraint' || !def || !('Constraint' in def)) return [];
      const { contype, conname, keys, indexname, location } = def.Constraint;
      const kind = { CONSTR_UNIQUE: 'UNIQUE', CONSTR_PRIMARY: 'PRIMARY KEY', CONSTR_EXCLUSION: 'EXCLUDE' }[
        String(contype)
      ];
      if (kind === undefined || indexname !== undefined) return [];
      const name = escapeIdentifier(conname ?? `${table.name}_${stringsOf(keys).join('_')}_key`);
      const columns = stringsOf(keys)
        .map((key) => escapeIdentifier(key))
        .join(', ');
      return [
        {
          severity: 'error',
          index: indexOf(location),
          message: `ADD ${kind} builds its index under a lock that lets nobody read or write ${quoted(table)} (${context.sizeText(table)}).`,
          rewrite:
            kind === 'EXCLUDE'
              ? '-- PostgreSQL cannot build this index concurrently: apply it while the application is stopped, and waive this with that reason.'
              : [
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
