import type { AlterTableCmd, ColumnDef, Constraint, Node, RangeVar } from 'libpg-query';
import { escapeIdentifier } from 'pg';

/** A table as the statement names it. */
export interface TableName {
  readonly schema: string | undefined;
  readonly name: string;
}

export function tableOf(relation: RangeVar | undefined): TableName {
  return { schema: relation?.schemaname, name: relation?.relname ?? '' };
}

/** The name for SQL: always quoted, as Prisma writes it. */
export function quoted({ schema, name }: TableName): string {
  return schema === undefined
    ? escapeIdentifier(name)
    : `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`;
}

export function stringOf(node: Node | undefined): string | undefined {
  return node && 'String' in node ? (node.String.sval ?? '') : undefined;
}

export function stringsOf(nodes: readonly Node[] | undefined): string[] {
  return (nodes ?? []).flatMap((node) => stringOf(node) ?? []);
}

/** A name that a DROP gives as a list: the last is the object's, the one before it the schema's. */
export function objectName(node: Node): TableName {
  const parts = 'List' in node ? stringsOf(node.List.items) : stringsOf([node]);
  return { schema: parts.at(-2), name: parts.at(-1) ?? '' };
}

export function commandsOf(node: Node): AlterTableCmd[] {
  if (!('AlterTableStmt' in node)) return [];
  return (node.AlterTableStmt.cmds ?? []).flatMap((command) =>
    'AlterTableCmd' in command ? [command.AlterTableCmd] : [],
  );
}

export function constraintsOf(nodes: readonly Node[] | undefined): Constraint[] {
  return (nodes ?? []).flatMap((node) => ('Constraint' in node ? [node.Constraint] : []));
}

/** A function's or an operator's own name, without its schema. */
export function lastName(nodes: readonly Node[] | undefined): string {
  return stringsOf(nodes).at(-1) ?? '';
}

/** The column that an expression is, and nothing around it, as its qualifiers and its name; empty for any other. */
export function columnPath(node: Node | undefined): string[] {
  return node && 'ColumnRef' in node ? stringsOf(node.ColumnRef.fields) : [];
}

/** The name of that column, without its qualifiers. */
export function columnOf(node: Node | undefined): string | undefined {
  return columnPath(node).at(-1);
}

/** The columns that ALTER TABLE adds. */
export function addedColumns(node: Node): ColumnDef[] {
  return commandsOf(node).flatMap(({ subtype, def }) =>
    subtype === 'AT_AddColumn' && def && 'ColumnDef' in def ? [def.ColumnDef] : [],
  );
}

/** The constraints that ALTER TABLE adds, those of a new column left out. */
export function addedConstraints(node: Node): Constraint[] {
  return commandsOf(node).flatMap(({ subtype, def }) =>
    subtype === 'AT_AddConstraint' && def && 'Constraint' in def ? [def.Constraint] : [],
  );
}

/** The column of `… IS NOT NULL`. */
export function notNullColumn(node: Node | undefined): string | undefined {
  if (!node || !('NullTest' in node) || node.NullTest.nulltesttype !== 'IS_NOT_NULL') return undefined;
  return columnOf(node.NullTest.arg);
}

/** Visits every node of a tree, the outermost first. */
export function walk(tree: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(tree)) {
    for (const part of tree) walk(part, visit);
  } else if (typeof tree === 'object' && tree !== null) {
    if (isNode(tree)) visit(tree);
    for (const part of Object.values(tree)) walk(part, visit);
  }
}

/** A node is an object with one member, its type, which is spelled like one; a member of a node begins small. */
function isNode(value: object): value is Node {
  const [name, ...others] = Object.keys(value);
  return name !== undefined && others.length === 0 && /^[A-Z]/.test(name);
}
