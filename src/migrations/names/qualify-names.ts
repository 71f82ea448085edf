import type { Node, RangeVar } from 'libpg-query';
import { stringsOf } from '../sql/syntax-tree.js';
import { KnownNames, namedObjects } from './known-names.js';
import { isTemporary, pathChangeOf, TEMPORARY_SCHEMA } from './search-path.js';

/**
 * Adds the schema to the unqualified names in a script's statements, where the script itself determines it: a temporary
 * object hides a permanent one of the same name, and a search path changes the schema. A name that stays unqualified
 * means the session's default schema.
 */
export function qualifyNames(statements: readonly { readonly node: Node }[]): void {
  const names = new KnownNames();
  for (const { node } of statements) {
    const change = pathChangeOf(node);
    if (change) names.changePath(change);
    followTransaction(node, names);
    qualifyStatement(node, names);
  }
}

function followTransaction(node: Node, names: KnownNames): void {
  if ('DiscardStmt' in node && node.DiscardStmt.target !== 'DISCARD_PLANS') names.discardTemporary();
  if (!('TransactionStmt' in node)) return;
  const { kind } = node.TransactionStmt;
  if (kind === 'TRANS_STMT_BEGIN' || kind === 'TRANS_STMT_START') names.begin();
  else if (kind === 'TRANS_STMT_COMMIT') names.commit();
  else if (kind === 'TRANS_STMT_ROLLBACK') names.rollback();
}

function qualifyStatement(node: Node, names: KnownNames): void {
  const created = createdRelation(node);
  qualifyRelations(node, { names, created, hidden: new Set() });
  for (const { kind, parts, use, behind } of namedObjects(node)) {
    const [name = '', given] = stringsOf(parts).toReversed().slice(behind);
    const schema = given ?? (use === 'made' ? names.schemaOfNew() : names.schemaOf(kind, name));
    if (given === undefined && schema !== undefined) parts.unshift({ String: { sval: schema } });
    if (use === 'made') names.make(kind, schema, name);
    if (use === 'dropped') names.remove(kind, schema, name);
  }
  if (created) {
    placeCreated(node, created, names);
    const goesAtCommit = oncommitOf(node) === 'ONCOMMIT_DROP';
    const kind = 'CompositeTypeStmt' in node ? 'type' : 'relation';
    names.make(kind, created.schemaname, created.relname ?? '', goesAtCommit);
  }
  learnParts(node, names);
}

/** Returns the relation that a statement creates. */
function createdRelation(node: Node): RangeVar | undefined {
  if ('CreateStmt' in node) return node.CreateStmt.relation;
  if ('CreateForeignTableStmt' in node) return node.CreateForeignTableStmt.base?.relation;
  if ('CreateTableAsStmt' in node) return node.CreateTableAsStmt.into?.rel;
  if ('SelectStmt' in node) return node.SelectStmt.intoClause?.rel;
  if ('ViewStmt' in node) return node.ViewStmt.view;
  if ('CreateSeqStmt' in node) return node.CreateSeqStmt.sequence;
  return 'CompositeTypeStmt' in node ? node.CompositeTypeStmt.typevar : undefined;
}

function oncommitOf(node: Node): string | undefined {
  if ('CreateStmt' in node) return node.CreateStmt.oncommit;
  if ('CreateTableAsStmt' in node) return node.CreateTableAsStmt.into?.onCommit;
  return 'SelectStmt' in node ? node.SelectStmt.intoClause?.onCommit : undefined;
}

function placeCreated(node: Node, created: RangeVar, names: KnownNames): void {
  // A view of a temporary relation is temporary too.
  const isTemporaryView = 'ViewStmt' in node && namesTemporary(node.ViewStmt.query);
  if (created.relpersistence === 't' || isTemporary(created.schemaname) || isTemporaryView) {
    created.schemaname = TEMPORARY_SCHEMA;
  } else {
    const schema = created.schemaname ?? names.schemaOfNew();
    if (schema !== undefined) created.schemaname = isTemporary(schema) ? TEMPORARY_SCHEMA : schema;
  }
}

function namesTemporary(tree: unknown): boolean {
  if (typeof tree !== 'object' || tree === null) return false;
  if (isRangeVar(tree) && isTemporary(tree.schemaname)) return true;
  return Object.values(tree).some(namesTemporary);
}

/** Indexes live where their table does, and a renamed object keeps its schema. */
function learnParts(node: Node, names: KnownNames): void {
  if ('IndexStmt' in node) {
    const { relation, idxname } = node.IndexStmt;
    if (idxname) names.make('relation', relation?.schemaname, idxname);
  }
  if ('RenameStmt' in node && node.RenameStmt.relation && node.RenameStmt.subname === undefined) {
    const { relation, newname = '' } = node.RenameStmt;
    names.remove('relation', relation.schemaname, relation.relname ?? '');
    names.make('relation', relation.schemaname, newname);
  }
}

interface Scope {
  readonly names: KnownNames;
  /** The relation that the statement creates; its schema is set afterwards. */
  readonly created: RangeVar | undefined;
  /** Names of common table expressions. */
  readonly hidden: ReadonlySet<string>;
}

function qualifyRelations(tree: unknown, scope: Scope, key = ''): void {
  if (Array.isArray(tree)) {
    for (const part of tree) qualifyRelations(part, scope);
  } else if (isRangeVar(tree)) {
    if (isTemporary(tree.schemaname)) tree.schemaname = TEMPORARY_SCHEMA;
    // The target of a write is a table, even if a query of the statement has the same name.
    const isHidden = key !== 'relation' && scope.hidden.has(tree.relname);
    if (tree === scope.created || tree.schemaname !== undefined || isHidden) return;
    const schema = scope.names.schemaOf('relation', tree.relname);
    if (schema !== undefined) tree.schemaname = schema;
  } else if (typeof tree === 'object' && tree !== null) {
    const hidden =
      'withClause' in tree ? new Set([...scope.hidden, ...expressionNames(tree.withClause)]) : scope.hidden;
    for (const [name, part] of Object.entries(tree)) qualifyRelations(part, { ...scope, hidden }, name);
  }
}

function* expressionNames(tree: unknown): Generator<string> {
  if (typeof tree !== 'object' || tree === null) return;
  if ('ctename' in tree && typeof tree.ctename === 'string') yield tree.ctename;
  for (const part of Object.values(tree)) yield* expressionNames(part);
}

function isRangeVar(value: unknown): value is RangeVar & { relname: string } {
  return (
    typeof value === 'object' && value !== null && 'relname' in value && typeof value.relname === 'string'
  );
}
