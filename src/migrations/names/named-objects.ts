import type { Node } from 'libpg-query';
import type { NameKind } from './known-names.js';

/** An object that a statement names by a list of words, `schema, name` or `name`. */
export interface NamedObject {
  readonly kind: NameKind;
  /** The words, in the statement itself. */
  readonly parts: Node[];
  readonly use: 'made' | 'dropped' | 'named';
  /** How many words follow the object's: 1 for a part of a table, whose own name is last. */
  readonly behind: 0 | 1;
}

const KINDS: Readonly<Record<string, NameKind>> = {
  OBJECT_TABLE: 'relation',
  OBJECT_FOREIGN_TABLE: 'relation',
  OBJECT_VIEW: 'relation',
  OBJECT_MATVIEW: 'relation',
  OBJECT_INDEX: 'relation',
  OBJECT_SEQUENCE: 'relation',
  OBJECT_TYPE: 'type',
  OBJECT_DOMAIN: 'type',
  OBJECT_FUNCTION: 'routine',
  OBJECT_PROCEDURE: 'routine',
  OBJECT_ROUTINE: 'routine',
  OBJECT_AGGREGATE: 'routine',
};

/** Parts of a relation, whose name follows the relation's. */
const PARTS = new Set([
  'OBJECT_TRIGGER',
  'OBJECT_POLICY',
  'OBJECT_RULE',
  'OBJECT_COLUMN',
  'OBJECT_TABCONSTRAINT',
]);

/** Returns the objects that a statement names by a list of words. Pure; `parts` belong to the statement. */
export function namedObjects(node: Node): NamedObject[] {
  if ('DropStmt' in node) {
    const { removeType, objects = [] } = node.DropStmt;
    return objects.flatMap((object) => named(removeType, object, 'dropped'));
  }
  if ('CommentStmt' in node) return named(node.CommentStmt.objtype, node.CommentStmt.object, 'named');
  if ('RenameStmt' in node) return named(node.RenameStmt.renameType, node.RenameStmt.object, 'named');
  if ('AlterOwnerStmt' in node)
    return named(node.AlterOwnerStmt.objectType, node.AlterOwnerStmt.object, 'named');
  if ('AlterObjectSchemaStmt' in node) {
    return named(node.AlterObjectSchemaStmt.objectType, node.AlterObjectSchemaStmt.object, 'named');
  }
  if ('AlterEnumStmt' in node) return listed('type', node.AlterEnumStmt.typeName, 'named');
  if ('CreateEnumStmt' in node) return listed('type', node.CreateEnumStmt.typeName, 'made');
  if ('CreateRangeStmt' in node) return listed('type', node.CreateRangeStmt.typeName, 'made');
  if ('CreateDomainStmt' in node) return listed('type', node.CreateDomainStmt.domainname, 'made');
  return 'CreateFunctionStmt' in node ? listed('routine', node.CreateFunctionStmt.funcname, 'made') : [];
}

function named(type: string | undefined, object: Node | undefined, use: NamedObject['use']): NamedObject[] {
  if (!object) return [];
  const kind = KINDS[type ?? ''];
  if ('TypeName' in object) return listed('type', object.TypeName.names, use);
  if ('ObjectWithArgs' in object) return listed('routine', object.ObjectWithArgs.objname, use);
  if (!('List' in object)) return [];
  if (PARTS.has(type ?? '')) return listed('relation', object.List.items, 'named', 1);
  return kind === undefined ? [] : listed(kind, object.List.items, use);
}

function listed(
  kind: NameKind,
  parts: Node[] | undefined,
  use: NamedObject['use'],
  behind: NamedObject['behind'] = 0,
): NamedObject[] {
  return parts && parts.length > behind ? [{ kind, parts, use, behind }] : [];
}
