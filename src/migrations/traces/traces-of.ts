import type { Node } from 'libpg-query';
import { isTemporary } from '../names/search-path.js';
import type { ParsedFile } from '../sql/parse-files.js';
import { commandsOf, objectName, stringsOf, type TableName, tableOf } from '../sql/syntax-tree.js';

/** Kinds of objects that can be looked for by name. */
export type TraceKind =
  | 'table'
  | 'view'
  | 'index'
  | 'sequence'
  | 'column'
  | 'constraint'
  | 'trigger'
  | 'policy'
  | 'type'
  | 'enum value'
  | 'function'
  | 'schema'
  | 'extension';

/** What can be seen in the catalogue after a statement: an object that exists, or one that does not. */
export interface Trace {
  readonly kind: TraceKind;
  /** Undefined for a schema and an extension. */
  readonly schema: string | undefined;
  /** The table of a column, a constraint, a trigger or a policy; the type of an enum value. */
  readonly of: string | undefined;
  readonly name: string;
  /** Whether the statement creates the object; otherwise it drops it. */
  readonly isMade: boolean;
}

/** What was applied of a migration, according to the catalogue. */
export interface Traced {
  /**
   * - `all`, `nothing`, `some` of its traces exist
   * - `unknown`: it has no traces, or its file is missing
   */
  readonly verdict: 'all' | 'nothing' | 'some' | 'unknown';
  /** Traces that exist: `table public.a`, `no column public.a.b`. */
  readonly there: readonly string[];
  readonly notThere: readonly string[];
}

/**
 * Returns the traces of a migration that was applied. An object that it creates and drops, or drops and creates again,
 * leaves none: it looks the same before and after. Pure.
 */
export function tracesOf({ flat }: ParsedFile, defaultSchema: string): Trace[] {
  const traces = new Map<string, Trace>();
  const ambiguous = new Set<string>();
  for (const { node } of flat) {
    for (const trace of tracesOfStatement(node, defaultSchema)) {
      const key = traceName(trace);
      if (traces.has(key) && traces.get(key)?.isMade !== trace.isMade) ambiguous.add(key);
      traces.set(key, trace);
    }
  }
  return [...traces.values()].filter((trace) => {
    if (ambiguous.has(traceName(trace))) return false;
    if (trace.of === undefined || trace.kind === 'enum value') return true;
    // Parts of a table that is dropped, or replaced by another one.
    const table = { ...trace, kind: 'table', name: trace.of, of: undefined } as const;
    return !ambiguous.has(traceName(table)) && traces.get(traceName(table))?.isMade !== false;
  });
}

/**
 * Returns the traces of one statement; none where the object may have existed before (IF NOT EXISTS), and none of
 * temporary objects. Pure.
 */
export function tracesOfStatement(node: Node, defaultSchema: string): Trace[] {
  const make = new Traces(defaultSchema);
  const all = [
    ...created(node, make),
    ...altered(node, make),
    ...droppedBy(node, make),
    ...renamed(node, make),
  ];
  return all.filter(({ schema }) => !isTemporary(schema));
}

/** Creates traces; unqualified names belong to the default schema. */
class Traces {
  constructor(private readonly defaultSchema: string) {}

  object(kind: TraceKind, { schema, name }: TableName, isMade = true): Trace {
    return { kind, schema: schema ?? this.defaultSchema, of: undefined, name, isMade };
  }

  part(kind: TraceKind, table: TableName, name: string, isMade = true): Trace {
    return { ...this.object(kind, table, isMade), of: table.name, name };
  }

  global(kind: TraceKind, name: string, isMade = true): Trace {
    return { kind, schema: undefined, of: undefined, name, isMade };
  }
}

/** What DROP names. */
const DROPPED: Readonly<Record<string, TraceKind>> = {
  OBJECT_TABLE: 'table',
  OBJECT_VIEW: 'view',
  OBJECT_MATVIEW: 'view',
  OBJECT_INDEX: 'index',
  OBJECT_SEQUENCE: 'sequence',
  OBJECT_TYPE: 'type',
  OBJECT_DOMAIN: 'type',
};

/** What ALTER … RENAME names, where the name is the object's own. */
const RENAMED: Readonly<Record<string, TraceKind>> = {
  OBJECT_TABLE: 'table',
  OBJECT_VIEW: 'view',
  OBJECT_MATVIEW: 'view',
  OBJECT_INDEX: 'index',
  OBJECT_SEQUENCE: 'sequence',
};

function created(node: Node, make: Traces): Trace[] {
  if ('CreateStmt' in node) {
    return node.CreateStmt.if_not_exists ? [] : [make.object('table', tableOf(node.CreateStmt.relation))];
  }
  if ('CreateTableAsStmt' in node && !node.CreateTableAsStmt.if_not_exists) {
    const kind = node.CreateTableAsStmt.objtype === 'OBJECT_MATVIEW' ? 'view' : 'table';
    return [make.object(kind, tableOf(node.CreateTableAsStmt.into?.rel))];
  }
  if ('ViewStmt' in node && !node.ViewStmt.replace) return [make.object('view', tableOf(node.ViewStmt.view))];
  if ('IndexStmt' in node) {
    const { idxname, if_not_exists: isConditional, relation } = node.IndexStmt;
    if (isConditional || !idxname) return [];
    return [make.object('index', { schema: tableOf(relation).schema, name: idxname })];
  }
  if ('CreateSeqStmt' in node && !node.CreateSeqStmt.if_not_exists) {
    return [make.object('sequence', tableOf(node.CreateSeqStmt.sequence))];
  }
  if ('CreateTrigStmt' in node && !node.CreateTrigStmt.replace) {
    const { relation, trigname = '' } = node.CreateTrigStmt;
    return [make.part('trigger', tableOf(relation), trigname)];
  }
  if ('CreatePolicyStmt' in node) {
    const { table, policy_name: name = '' } = node.CreatePolicyStmt;
    return [make.part('policy', tableOf(table), name)];
  }
  return [...createdType(node, make), ...createdGlobal(node, make)];
}

function createdType(node: Node, make: Traces): Trace[] {
  if ('CreateEnumStmt' in node) return [make.object('type', nameIn(node.CreateEnumStmt.typeName))];
  if ('CreateDomainStmt' in node) return [make.object('type', nameIn(node.CreateDomainStmt.domainname))];
  if ('CompositeTypeStmt' in node) return [make.object('type', tableOf(node.CompositeTypeStmt.typevar))];
  if ('AlterEnumStmt' in node) {
    const { typeName, newVal = '', skipIfNewValExists: isConditional } = node.AlterEnumStmt;
    return isConditional ? [] : [make.part('enum value', nameIn(typeName), newVal)];
  }
  if ('CreateFunctionStmt' in node && !node.CreateFunctionStmt.replace) {
    return [make.object('function', nameIn(node.CreateFunctionStmt.funcname))];
  }
  return [];
}

function createdGlobal(node: Node, make: Traces): Trace[] {
  if ('CreateSchemaStmt' in node && !node.CreateSchemaStmt.if_not_exists) {
    return [make.global('schema', node.CreateSchemaStmt.schemaname ?? '')];
  }
  if ('CreateExtensionStmt' in node && !node.CreateExtensionStmt.if_not_exists) {
    return [make.global('extension', node.CreateExtensionStmt.extname ?? '')];
  }
  return [];
}

function altered(node: Node, make: Traces): Trace[] {
  if (!('AlterTableStmt' in node) || node.AlterTableStmt.objtype !== 'OBJECT_TABLE') return [];
  const table = tableOf(node.AlterTableStmt.relation);
  return commandsOf(node).flatMap(({ subtype, name = '', def, missing_ok: isConditional }): Trace[] => {
    if (isConditional) return [];
    if (subtype === 'AT_DropColumn') return [make.part('column', table, name, false)];
    if (subtype === 'AT_DropConstraint') return [make.part('constraint', table, name, false)];
    if (subtype === 'AT_AddColumn' && def && 'ColumnDef' in def) {
      return [make.part('column', table, def.ColumnDef.colname ?? '')];
    }
    const constraint =
      subtype === 'AT_AddConstraint' && def && 'Constraint' in def ? def.Constraint : undefined;
    return constraint?.conname === undefined ? [] : [make.part('constraint', table, constraint.conname)];
  });
}

function droppedBy(node: Node, make: Traces): Trace[] {
  if (!('DropStmt' in node) || node.DropStmt.missing_ok) return [];
  const { removeType = '', objects = [] } = node.DropStmt;
  const kind = DROPPED[removeType];
  if (kind) return objects.map((object) => make.object(kind, anyName(object), false));
  if (removeType === 'OBJECT_SCHEMA')
    return objects.map((object) => make.global('schema', anyName(object).name, false));
  if (removeType === 'OBJECT_EXTENSION') {
    return objects.map((object) => make.global('extension', anyName(object).name, false));
  }
  if (removeType !== 'OBJECT_TRIGGER' && removeType !== 'OBJECT_POLICY') return [];
  return objects.map((object) => {
    const parts = 'List' in object ? stringsOf(object.List.items) : [];
    const table = { schema: parts.at(-3), name: parts.at(-2) ?? '' };
    return make.part(
      removeType === 'OBJECT_TRIGGER' ? 'trigger' : 'policy',
      table,
      parts.at(-1) ?? '',
      false,
    );
  });
}

function renamed(node: Node, make: Traces): Trace[] {
  if (!('RenameStmt' in node) || node.RenameStmt.missing_ok) return [];
  const { renameType = '', relation, object, subname = '', newname = '' } = node.RenameStmt;
  const kind = RENAMED[renameType];
  const name = tableOf(relation);
  const changed = (before: Trace): Trace[] => [
    { ...before, isMade: false },
    { ...before, name: newname, isMade: true },
  ];
  if (kind) return changed(make.object(kind, name));
  if (renameType === 'OBJECT_COLUMN') return changed(make.part('column', name, subname));
  if (renameType === 'OBJECT_TABCONSTRAINT') return changed(make.part('constraint', name, subname));
  return renameType === 'OBJECT_TYPE' && object ? changed(make.object('type', anyName(object))) : [];
}

function nameIn(names: readonly Node[] | undefined): TableName {
  const parts = stringsOf(names);
  return { schema: parts.at(-2), name: parts.at(-1) ?? '' };
}

/** Reads a name; a type's name has its own kind of node. */
function anyName(object: Node): TableName {
  return 'TypeName' in object ? nameIn(object.TypeName.names) : objectName(object);
}

/** `column public.a.b` */
export function traceName({ kind, schema, of, name }: Trace): string {
  return `${kind} ${[schema, of, name].filter((part) => part !== undefined).join('.')}`;
}

/** What is there afterwards: `table public.a`, `no column public.a.b`. */
export function traceLabel(trace: Trace): string {
  return `${trace.isMade ? '' : 'no '}${traceName(trace)}`;
}
