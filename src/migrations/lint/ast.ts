import type { AlterTableCmd, Constraint, Node, RangeVar } from 'libpg-query';
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

/** The column that an expression is, and nothing around it. */
export function columnOf(node: Node | undefined): string | undefined {
  return node && 'ColumnRef' in node ? stringOf(node.ColumnRef.fields?.at(-1)) : undefined;
}

/** The column of `… IS NOT NULL`. */
export function notNullColumn(node: Node | undefined): string | undefined {
  if (!node || !('NullTest' in node) || node.NullTest.nulltesttype !== 'IS_NOT_NULL') return undefined;
  return columnOf(node.NullTest.arg);
}
