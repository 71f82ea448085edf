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

/** Returns the name for SQL, always quoted, as Prisma writes it. */
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

/** Returns the name of a DROP, which is a list: the last part is the object's, the one before it the schema's. */
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

/** Returns the name of a function or an operator, without its schema. */
export function lastName(nodes: readonly Node[] | undefined): string {
  return stringsOf(nodes).at(-1) ?? '';
}

/** Returns the qualifiers and the name of an expression that is a column; empty for any other. */
export function columnPath(node: Node | undefined): string[] {
  return node && 'ColumnRef' in node ? stringsOf(node.ColumnRef.fields) : [];
}

/** Returns the name of an expression that is a column, without its qualifiers. */
export function columnOf(node: Node | undefined): string | undefined {
  return columnPath(node).at(-1);
}

/** Returns the columns that ALTER TABLE adds. */
export function addedColumns(node: Node): ColumnDef[] {
  return commandsOf(node).flatMap(({ subtype, def }) =>
    subtype === 'AT_AddColumn' && def && 'ColumnDef' in def ? [def.ColumnDef] : [],
  );
}

/** Returns the constraints that ALTER TABLE adds, without those of a new column. */
export function addedConstraints(node: Node): Constraint[] {
  return commandsOf(node).flatMap(({ subtype, def }) =>
    subtype === 'AT_AddConstraint' && def && 'Constraint' in def ? [def.Constraint] : [],
  );
}

/** Returns the column of `… IS NOT NULL`. */
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

/** Returns whether an object is a node: it has one member, its type, whose name begins with a capital. */
function isNode(value: object): value is Node {
  const [name, ...others] = Object.keys(value);
  return name !== undefined && others.length === 0 && /^[A-Z]/.test(name);
}
