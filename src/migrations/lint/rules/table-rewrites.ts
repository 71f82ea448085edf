import type { Node } from 'libpg-query';
import { commandsOf, quoted, type TableName, tableOf } from '../../sql/syntax-tree.js';
import type { StatementRule, Violation } from '../rule.js';

/** ALTER TABLE commands that rewrite the table, besides a change of type and a computed column. */
const REWRITES: Readonly<Record<string, string>> = {
  AT_SetLogged: 'SET LOGGED',
  AT_SetUnLogged: 'SET UNLOGGED',
  AT_SetAccessMethod: 'SET ACCESS METHOD',
  AT_SetTableSpace: 'SET TABLESPACE',
  AT_SetExpression: 'SET EXPRESSION',
};

export const tableRewrite: StatementRule = {
  id: 'table-rewrite',
  severity: 'error',
  summary: 'CLUSTER, VACUUM FULL, SET LOGGED, UNLOGGED, TABLESPACE, ACCESS METHOD or EXPRESSION',
  breaks:
    'PostgreSQL rewrites the table and its indexes under an `ACCESS EXCLUSIVE` lock. Reads and writes of the table wait until that is done.',
  instead: 'A maintenance window. Instead of `CLUSTER` and `VACUUM FULL`: pg_repack.',
  largeTablesOnly: true,
  on: [
    'ClusterStmt',
    'VacuumStmt',
    'AT_SetLogged',
    'AT_SetUnLogged',
    'AT_SetAccessMethod',
    'AT_SetTableSpace',
    'AT_SetExpression',
  ],
  check: ({ node, index }, context) =>
    rewrites(node)
      .filter(({ table }) => table === undefined || context.isLarge(table))
      .map(({ what, table }): Violation => {
        const subject = table ? `${quoted(table)} (${context.sizeText(table)})` : 'every table';
        return {
          index,
          message: `${what} rewrites ${subject} and its indexes under a lock that blocks reads and writes.`,
          rewrite:
            what === 'CLUSTER' || what === 'VACUUM FULL'
              ? '-- Not in a migration: run pg_repack, or this statement in a maintenance window.'
              : '-- Apply this in a maintenance window, and waive this finding with that reason.',
        };
      }),
};

export const unloggedTable: StatementRule = {
  id: 'unlogged-table',
  severity: 'error',
  otherwise: 'a warning for a new table',
  summary: 'A table that PostgreSQL empties after a crash',
  details: '`CREATE UNLOGGED TABLE`, `SET UNLOGGED`.',
  breaks: 'After a crash the table is empty, and replicas never have its rows.',
  instead: 'Keep the table logged; or waive the finding if its rows can be restored from elsewhere.',
  on: ['AT_SetUnLogged', 'CreateStmt'],
  check: ({ node, index }, context) => {
    const table = unlogged(node);
    if (!table) return [];
    return [
      {
        ...((context.isNew(table) || 'CreateStmt' in node) && { severity: 'warning' }),
        index,
        message: `PostgreSQL empties an unlogged table after a crash, and replicas do not have its rows: ${quoted(table)} can lose every row.`,
        rewrite: '-- Keep the table logged; or waive this if its rows can be restored from elsewhere.',
      },
    ];
  },
};

function rewrites(node: Node): { what: string; table: TableName | undefined }[] {
  if ('ClusterStmt' in node) {
    const { relation } = node.ClusterStmt;
    return [{ what: 'CLUSTER', table: relation && tableOf(relation) }];
  }
  if ('VacuumStmt' in node) {
    const { options = [], rels = [], is_vacuumcmd: isVacuum } = node.VacuumStmt;
    const isFull = options.some((option) => 'DefElem' in option && option.DefElem.defname === 'full');
    if (!isVacuum || !isFull) return [];
    const tables = rels.flatMap((rel) =>
      'VacuumRelation' in rel ? [tableOf(rel.VacuumRelation.relation)] : [],
    );
    return (tables.length === 0 ? [undefined] : tables).map((table) => ({ what: 'VACUUM FULL', table }));
  }
  if (!('AlterTableStmt' in node)) return [];
  const { objtype, relation } = node.AlterTableStmt;
  if (objtype !== 'OBJECT_TABLE' && objtype !== 'OBJECT_MATVIEW') return [];
  return commandsOf(node).flatMap(({ subtype = '' }) => {
    const what = REWRITES[subtype];
    return what === undefined ? [] : [{ what, table: tableOf(relation) }];
  });
}

function unlogged(node: Node): TableName | undefined {
  if ('CreateStmt' in node && node.CreateStmt.relation?.relpersistence === 'u') {
    return tableOf(node.CreateStmt.relation);
  }
  const isSet = commandsOf(node).some(({ subtype }) => subtype === 'AT_SetUnLogged');
  return isSet && 'AlterTableStmt' in node ? tableOf(node.AlterTableStmt.relation) : undefined;
}
