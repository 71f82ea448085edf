import type { Node } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import type { Statement } from '../sql/statements.js';
import { commandsOf } from '../sql/syntax-tree.js';
import { tracesOfStatement } from '../traces/traces-of.js';
import type { Trace, TraceKind } from '../traces/trace.js';
import { isUnseen } from './not-reversed.js';

/** SQL that undoes a statement which Prisma's comparison ignores. */
export interface Undo {
  readonly sql: string;
  /** Whether it runs before the SQL of the comparison: its object depends on tables, or is a part of one. */
  readonly isFirst: boolean;
}

const DROPS: Partial<Record<TraceKind, string>> = {
  table: 'DROP TABLE',
  view: 'DROP VIEW',
  sequence: 'DROP SEQUENCE',
  type: 'DROP TYPE',
  function: 'DROP ROUTINE',
  schema: 'DROP SCHEMA',
  extension: 'DROP EXTENSION',
  // The comparison sees some of these, and drops them itself.
  index: 'DROP INDEX IF EXISTS',
};

const PARTS: Partial<Record<TraceKind, (name: string, table: string) => string>> = {
  column: (name, table) => `ALTER TABLE ${table} DROP COLUMN ${name};`,
  constraint: (name, table) => `ALTER TABLE ${table} DROP CONSTRAINT ${name};`,
  trigger: (name, table) => `DROP TRIGGER ${name} ON ${table};`,
  policy: (name, table) => `DROP POLICY ${name} ON ${table};`,
};

const FIRST = new Set<TraceKind>(['table', 'view', 'column', 'constraint', 'trigger', 'policy']);

/** Returns what undoes a statement that only creates named objects; undefined for any other. Pure. */
export function undoOf({ node }: Statement, schema: string): Undo[] | undefined {
  const traces = tracesToUndo(node, schema);
  if (traces === undefined || !traces.every(({ isMade }) => isMade)) return undefined;
  // The catalogue query finds it as a view, but DROP needs its own name for it.
  const isMaterialized = 'CreateTableAsStmt' in node;
  const undone = traces.map((trace) => ({
    sql: dropOf(trace, isMaterialized),
    isFirst: FIRST.has(trace.kind),
  }));
  return undone.every((one): one is Undo => one.sql !== undefined) ? undone.toReversed() : undefined;
}

/** Of an ALTER TABLE that the comparison sees in part: the part that it ignores. */
function tracesToUndo(node: Node, schema: string): Trace[] | undefined {
  const traces = tracesOfStatement(node, schema);
  if (traces.length === 0) return undefined;
  if (!('AlterTableStmt' in node)) return traces;
  const commands = commandsOf(node);
  if (traces[0]?.schema !== schema) {
    return traces.length === commands.length ? traces : undefined;
  }
  const names = commands
    .filter(isUnseen)
    .map(({ def }) => def && 'Constraint' in def && def.Constraint.conname);
  const unseen = traces.filter(({ kind, name }) => kind === 'constraint' && names.includes(name));
  return unseen.length === names.length ? unseen : undefined;
}

function dropOf({ kind, schema, of, name }: Trace, isMaterialized: boolean): string | undefined {
  const quoted = (parts: readonly (string | undefined)[]): string =>
    parts.flatMap((part) => (part === undefined ? [] : [escapeIdentifier(part)])).join('.');
  const part = PARTS[kind];
  if (part) return part(escapeIdentifier(name), quoted([schema, of]));
  const drop = kind === 'view' && isMaterialized ? 'DROP MATERIALIZED VIEW' : DROPS[kind];
  return drop && `${drop} ${quoted([schema, name])};`;
}
