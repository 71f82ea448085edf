import type { ColumnDef, IndexStmt, Node, TypeName } from 'libpg-query';
import { commandsOf, quoted, stringsOf, tableOf } from '../../migrations/sql/syntax-tree.js';
import { escapeIdentifier } from 'pg';

/** A column as a statement declares it. */
export interface DeclaredColumn {
  readonly name: string;
  /** For `to_regtype`; undefined if the name alone does not define it. */
  readonly type: string | undefined;
}

/**
 * What a statement creates unless the name exists (`IF NOT EXISTS`), or changes only if it exists
 * (`IF EXISTS`): PostgreSQL does not compare what it finds.
 */
export type Declaration =
  | { readonly kind: 'table'; readonly name: string; readonly columns: readonly DeclaredColumn[] }
  | { readonly kind: 'sequence' | 'materialized view' | 'altered'; readonly name: string }
  | { readonly kind: 'column'; readonly table: string; readonly column: DeclaredColumn }
  | {
      readonly kind: 'index';
      /** Unquoted; its schema is that of its table. */
      readonly name: string;
      readonly table: string;
      readonly isUnique: boolean;
      readonly isConcurrent: boolean;
      /** Undefined if one of them is an expression. */
      readonly columns: readonly string[] | undefined;
    };

/** The types behind the names that also create a sequence. */
const SERIALS: Readonly<Record<string, string>> = {
  serial: 'int4',
  serial4: 'int4',
  bigserial: 'int8',
  serial8: 'int8',
  smallserial: 'int2',
  serial2: 'int2',
};

/** Pure. */
export function declarationsOf(node: Node): Declaration[] {
  if ('CreateStmt' in node && node.CreateStmt.if_not_exists) {
    const { relation, tableElts = [] } = node.CreateStmt;
    const columns = tableElts.flatMap((part) => ('ColumnDef' in part ? [columnOf(part.ColumnDef)] : []));
    return [{ kind: 'table', name: quoted(tableOf(relation)), columns }];
  }
  if ('CreateSeqStmt' in node && node.CreateSeqStmt.if_not_exists) {
    return [{ kind: 'sequence', name: quoted(tableOf(node.CreateSeqStmt.sequence)) }];
  }
  if ('CreateTableAsStmt' in node && node.CreateTableAsStmt.if_not_exists) {
    const { into, objtype } = node.CreateTableAsStmt;
    const name = quoted(tableOf(into?.rel));
    return objtype === 'OBJECT_MATVIEW'
      ? [{ kind: 'materialized view', name }]
      : [{ kind: 'table', name, columns: [] }];
  }
  if ('IndexStmt' in node && node.IndexStmt.if_not_exists) return [indexOf(node.IndexStmt)];
  return alteredBy(node);
}

function alteredBy(node: Node): Declaration[] {
  if (!('AlterTableStmt' in node)) return [];
  const table = quoted(tableOf(node.AlterTableStmt.relation));
  if (node.AlterTableStmt.missing_ok) return [{ kind: 'altered', name: table }];
  return commandsOf(node).flatMap(({ subtype, missing_ok: isConditional, def }): Declaration[] =>
    subtype === 'AT_AddColumn' && isConditional && def && 'ColumnDef' in def
      ? [{ kind: 'column', table, column: columnOf(def.ColumnDef) }]
      : [],
  );
}

function indexOf({
  idxname = '',
  relation,
  unique = false,
  concurrent = false,
  indexParams = [],
}: IndexStmt) {
  const columns = indexParams.flatMap((part) =>
    'IndexElem' in part && part.IndexElem.name !== undefined ? [part.IndexElem.name] : [],
  );
  return {
    kind: 'index',
    name: idxname,
    table: quoted(tableOf(relation)),
    isUnique: unique,
    isConcurrent: concurrent,
    columns: columns.length === indexParams.length ? columns : undefined,
  } as const;
}

function columnOf({ colname = '', typeName }: ColumnDef): DeclaredColumn {
  return { name: colname, type: typeOf(typeName) };
}

function typeOf(type: TypeName | undefined): string | undefined {
  const names = stringsOf(type?.names);
  const [only = ''] = names;
  if (names.length === 0 || type?.pct_type) return undefined;
  const name =
    names.length === 1 && SERIALS[only] !== undefined
      ? `pg_catalog.${SERIALS[only]}`
      : names.map((part) => escapeIdentifier(part)).join('.');
  return type?.arrayBounds === undefined ? name : `${name}[]`;
}
