import type { Node } from 'libpg-query';
import { isTemporary, type PathChange, type SearchPath, TEMPORARY_SCHEMA } from './search-path.js';

/** Relations (with their indexes), types and routines have separate namespaces, as in PostgreSQL. */
export type NameKind = 'relation' | 'type' | 'routine';

interface State {
  readonly path: SearchPath;
  /** The path that a `SET LOCAL` hides until the transaction ends. */
  readonly outerPath: { readonly path: SearchPath } | undefined;
  /** Existing temporary objects, as `kind name`; true where a commit drops them. */
  readonly temporary: ReadonlyMap<string, boolean>;
  /** Permanent objects that the script created, as `kind schema.name`. */
  readonly made: ReadonlySet<string>;
}

/** Knows which object an unqualified name means at a position in a script, as far as the script itself shows. */
export class KnownNames {
  private state: State = { path: undefined, outerPath: undefined, temporary: new Map(), made: new Set() };
  private before: State | undefined;

  /** Returns the schema of a new object; undefined where it is the session's default. */
  schemaOfNew(): string | undefined {
    return this.state.path?.[0];
  }

  /** Returns the schema of a named object; undefined where it is the session's default, or not known. */
  schemaOf(kind: NameKind, name: string): string | undefined {
    const { path, temporary, made } = this.state;
    const isThere = (schema: string): boolean =>
      isTemporary(schema) ? temporary.has(`${kind} ${name}`) : made.has(`${kind} ${schema}.${name}`);
    // PostgreSQL never looks for routines in the temporary schema.
    const first = kind === 'routine' || path?.some(isTemporary) ? [] : [TEMPORARY_SCHEMA];
    const found = [...first, ...(path ?? [])].find(isThere);
    if (found !== undefined) return isTemporary(found) ? TEMPORARY_SCHEMA : found;
    const permanent = (path ?? []).filter((schema) => !isTemporary(schema) && schema !== 'pg_catalog');
    // Of several schemas it is not known which one has it.
    return permanent.length === 1 ? permanent[0] : undefined;
  }

  make(kind: NameKind, schema: string | undefined, name: string, goesAtCommit = false): void {
    const { temporary, made } = this.state;
    if (isTemporary(schema)) {
      this.state = { ...this.state, temporary: new Map([...temporary, [`${kind} ${name}`, goesAtCommit]]) };
    } else if (schema !== undefined) {
      this.state = { ...this.state, made: new Set([...made, `${kind} ${schema}.${name}`]) };
    }
  }

  remove(kind: NameKind, schema: string | undefined, name: string): void {
    const temporary = new Map(this.state.temporary);
    const made = new Set(this.state.made);
    if (isTemporary(schema)) temporary.delete(`${kind} ${name}`);
    else made.delete(`${kind} ${schema ?? ''}.${name}`);
    this.state = { ...this.state, temporary, made };
  }

  /** `DISCARD TEMP`. */
  discardTemporary(): void {
    this.state = { ...this.state, temporary: new Map() };
  }

  changePath({ path, isLocal }: PathChange): void {
    const { outerPath, path: current } = this.state;
    this.state = { ...this.state, path, outerPath: isLocal ? (outerPath ?? { path: current }) : undefined };
  }

  begin(): void {
    this.before ??= this.state;
  }

  commit(): void {
    const { outerPath, path, temporary } = this.state;
    this.state = {
      ...this.state,
      path: outerPath ? outerPath.path : path,
      outerPath: undefined,
      temporary: new Map([...temporary].filter(([, goesAtCommit]) => !goesAtCommit)),
    };
    this.before = undefined;
  }

  rollback(): void {
    this.state = this.before ?? this.state;
    this.before = undefined;
  }
}

/** An object that a statement names by a list of words, `schema, name` or `name`. */
interface NamedObject {
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
