import type { Node } from 'libpg-query';
import { isTemporary } from '../names/search-path.js';
import type { ParsedFile } from '../sql/parse-files.js';
import { commandsOf, objectName, stringsOf, type TableName, tableOf, walk } from '../sql/syntax-tree.js';

/** A table by its full name. */
export interface FullName {
  readonly schema: string;
  readonly table: string;
}

/** Rows or values that a script deletes from a database. */
export interface Loss {
  /**
   * - `table`: the table is dropped, with its rows
   * - `schema`: the schema is dropped, with every table in it
   * - `rows`: some or all of a table's rows are deleted
   * - `column`: the column is dropped, with its values
   * - `values`: the column's values are overwritten
   * - `conversion`: the column's values are converted to another type: they may be shortened or rounded
   */
  readonly kind: 'table' | 'schema' | 'rows' | 'column' | 'values' | 'conversion';
  /** `schema.table`, `schema.table.column`, or a schema's name; unquoted. */
  readonly name: string;
  /** Undefined for a schema. */
  readonly table: FullName | undefined;
  readonly column: string | undefined;
  /** `DROP TABLE`, `DELETE`… */
  readonly what: string;
  /** The position of its statement in the file's text. */
  readonly index: number;
}

/** What a node deletes, with the names as written. */
interface Taken extends Pick<Loss, 'kind' | 'what'> {
  readonly of: TableName;
  readonly column?: string;
}

/** A conversion that fails for a value that does not fit: how Prisma removes a value from an enum. */
const THROUGH_TEXT = /^\s*\(?\s*"?\w+"?\s*::\s*text\s*::/i;

/**
 * Returns what a script's statements delete, as far as its text shows: what a `CASCADE` or a trigger also deletes is
 * known only after the run. What the script itself created before is no loss. Pure.
 */
export function lossesOf({ flat }: ParsedFile, defaultSchema: string): Loss[] {
  const made = new Set<string>();
  const losses = new Map<string, Loss>();
  for (const { node, sql, index } of flat) {
    walk(node, (inner) => {
      for (const taken of takenBy(inner, sql)) {
        const loss = toLoss(taken, defaultSchema, index);
        if (isTemporary(loss.table?.schema)) continue;
        const isOwn = made.has(loss.name) || (loss.table && made.has(nameOf(loss.table)));
        if (!isOwn && !losses.has(loss.name)) losses.set(loss.name, loss);
      }
    });
    for (const name of madeBy(node, defaultSchema)) made.add(name);
  }
  return [...losses.values()].filter(({ table, column }) => {
    // A dropped table includes its columns.
    const ofTable = table && column !== undefined ? losses.get(nameOf(table)) : undefined;
    return ofTable?.kind !== 'table';
  });
}

/** Returns `schema.table`, unquoted. */
export function nameOf({ schema, table }: FullName): string {
  return `${schema}.${table}`;
}

function toLoss({ kind, what, of, column }: Taken, defaultSchema: string, index: number): Loss {
  if (kind === 'schema') return { kind, name: of.name, table: undefined, column: undefined, what, index };
  const table = { schema: of.schema ?? defaultSchema, table: of.name };
  const name = column === undefined ? nameOf(table) : `${nameOf(table)}.${column}`;
  return { kind, name, table, column, what, index };
}

function takenBy(node: Node, sql: string): Taken[] {
  if ('DropStmt' in node) return dropped(node.DropStmt.removeType, node.DropStmt.objects ?? []);
  if ('TruncateStmt' in node) {
    return (node.TruncateStmt.relations ?? []).flatMap((relation): Taken[] =>
      'RangeVar' in relation ? [{ kind: 'rows', what: 'TRUNCATE', of: tableOf(relation.RangeVar) }] : [],
    );
  }
  if ('DeleteStmt' in node) return [{ kind: 'rows', what: 'DELETE', of: tableOf(node.DeleteStmt.relation) }];
  if ('UpdateStmt' in node) {
    const { relation, targetList } = node.UpdateStmt;
    return written(targetList).map((column) => ({
      kind: 'values',
      what: 'UPDATE',
      of: tableOf(relation),
      column,
    }));
  }
  if ('MergeStmt' in node) return merged(node);
  return altered(node, sql);
}

function dropped(type: string | undefined, objects: readonly Node[]): Taken[] {
  if (type === 'OBJECT_TABLE') {
    return objects.map((object) => ({ kind: 'table', what: 'DROP TABLE', of: objectName(object) }));
  }
  if (type !== 'OBJECT_SCHEMA') return [];
  return objects.map((object) => ({ kind: 'schema', what: 'DROP SCHEMA', of: objectName(object) }));
}

function merged({ MergeStmt: { relation, mergeWhenClauses = [] } }: Extract<Node, { MergeStmt: unknown }>) {
  return mergeWhenClauses.flatMap((clause): Taken[] => {
    if (!('MergeWhenClause' in clause)) return [];
    const { commandType, targetList } = clause.MergeWhenClause;
    if (commandType === 'CMD_DELETE') return [{ kind: 'rows', what: 'MERGE', of: tableOf(relation) }];
    if (commandType !== 'CMD_UPDATE') return [];
    return written(targetList).map((column) => ({
      kind: 'values',
      what: 'MERGE',
      of: tableOf(relation),
      column,
    }));
  });
}

/** Returns the columns that an UPDATE sets. */
function written(targets: readonly Node[] | undefined): string[] {
  return (targets ?? []).flatMap((target) => ('ResTarget' in target ? [target.ResTarget.name ?? ''] : []));
}

function altered(node: Node, sql: string): Taken[] {
  if (!('AlterTableStmt' in node) || node.AlterTableStmt.objtype !== 'OBJECT_TABLE') return [];
  const of = tableOf(node.AlterTableStmt.relation);
  return commandsOf(node).flatMap(({ subtype, name = '', def }): Taken[] => {
    if (subtype === 'AT_DropColumn') return [{ kind: 'column', what: 'DROP COLUMN', of, column: name }];
    if (subtype !== 'AT_AlterColumnType' || !def || !('ColumnDef' in def)) return [];
    const using = /\busing\b([\s\S]*)$/i.exec(sql)?.[1] ?? '';
    const isText = stringsOf(def.ColumnDef.typeName?.names).at(-1) === 'text';
    if (isText || (commandsOf(node).length === 1 && THROUGH_TEXT.test(using))) return [];
    return [{ kind: 'conversion', what: 'ALTER COLUMN … TYPE', of, column: name }];
  });
}

/** Returns the tables and columns that a statement creates. */
function madeBy(node: Node, defaultSchema: string): string[] {
  const full = ({ schema = defaultSchema, name }: TableName): string => `${schema}.${name}`;
  if ('CreateStmt' in node && !node.CreateStmt.if_not_exists)
    return [full(tableOf(node.CreateStmt.relation))];
  if ('CreateTableAsStmt' in node) return [full(tableOf(node.CreateTableAsStmt.into?.rel))];
  if (!('AlterTableStmt' in node)) return [];
  const table = full(tableOf(node.AlterTableStmt.relation));
  return commandsOf(node).flatMap(({ subtype, def, missing_ok: isConditional }) =>
    subtype === 'AT_AddColumn' && !isConditional && def && 'ColumnDef' in def
      ? [`${table}.${def.ColumnDef.colname ?? ''}`]
      : [],
  );
}
