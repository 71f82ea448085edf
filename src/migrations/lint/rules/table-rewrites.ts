import type { Node } from 'libpg-query';
import { commandsOf, quoted, type TableName, tableOf } from '../../sql/syntax-tree.js';
import type { Rule, Violation } from '../rule.js';

/** ALTER TABLE commands that write the table anew, besides a change of type and a computed column. */
const REWRITES: Readonly<Record<string, string>> = {
  AT_SetLogged: 'SET LOGGED',
  AT_SetUnLogged: 'SET UNLOGGED',
  AT_SetAccessMethod: 'SET ACCESS METHOD',
  AT_SetTableSpace: 'SET TABLESPACE',
  AT_SetExpression: 'SET EXPRESSION',
};

/** CLUSTER, VACUUM FULL and the commands of ALTER TABLE that write a table anew. */
export const tableRewrite: Rule = {
  id: 'table-rewrite',
  on: ['AlterTableStmt', 'ClusterStmt', 'VacuumStmt'],
  check: ({ node, index }, context) =>
    rewrites(node)
      .filter(({ table }) => table === undefined || context.isLarge(table))
      .map(({ what, table }): Violation => {
        const subject = table ? `all of ${quoted(table)} (${context.sizeText(table)})` : 'every table';
        return {
          severity: 'error',
          index,
          message: `${what} writes ${subject} and its indexes anew, under a lock that blocks reads and writes.`,
          rewrite:
            what === 'CLUSTER' || what === 'VACUUM FULL'
              ? '-- Not in a migration: run pg_repack, or run this in a maintenance window.'
              : '-- Apply this in a maintenance window, and waive this finding with that reason.',
        };
      }),
};

/** A table that PostgreSQL empties after a crash. */
export const unloggedTable: Rule = {
  id: 'unlogged-table',
  on: ['AlterTableStmt', 'CreateStmt'],
  check: ({ node, index }, context) => {
    const table = unlogged(node);
    if (!table) return [];
    return [
      {
        severity: context.isNew(table) || 'CreateStmt' in node ? 'warning' : 'error',
        index,
        message: `PostgreSQL empties an unlogged table after a crash, and replicas do not have its rows: ${quoted(table)} can lose every row.`,
        rewrite: '-- Keep the table logged, or waive this where its rows can be made again.',
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
