import type { AlterTableCmd, Node } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import { isAboutTemporary } from '../names/temporary-objects.js';
import type { ParsedFile } from '../sql/parse-files.js';
import type { Statement } from '../sql/statements.js';
import { commandsOf, constraintsOf, tableOf } from '../sql/syntax-tree.js';
import { type Trace, type TraceKind, tracesOfStatement } from '../traces/traces-of.js';

/** Statements that Prisma's comparison of two schemas ignores, and why. */
const UNSEEN: Readonly<Record<string, string>> = {
  InsertStmt: 'rows are not compared',
  UpdateStmt: 'rows are not compared, and their earlier values are unknown',
  DeleteStmt: 'rows are not compared, and the deleted rows are unknown',
  MergeStmt: 'rows are not compared',
  CopyStmt: 'rows are not compared',
  TruncateStmt: 'rows are not compared, and the deleted rows are unknown',
  SelectStmt: 'its effect is unknown',
  DoStmt: 'its effect is not compared',
  CallStmt: 'its effect is not compared',
  CreateFunctionStmt: 'functions are not compared',
  AlterFunctionStmt: 'functions are not compared',
  CreateTrigStmt: 'triggers are not compared',
  CreateEventTrigStmt: 'event triggers are not compared',
  RuleStmt: 'rules are not compared',
  ViewStmt: 'views are not compared',
  CreateTableAsStmt: 'its rows are not compared',
  CreateDomainStmt: 'domains are not compared',
  CompositeTypeStmt: 'composite types are not compared',
  CreateRangeStmt: 'range types are not compared',
  DefineStmt: 'it is not compared',
  CreateExtensionStmt: 'extensions are not compared',
  CreatePolicyStmt: 'policies are not compared',
  AlterPolicyStmt: 'policies are not compared',
  CreateSchemaStmt: 'schemas are not compared',
  GrantStmt: 'grants are not compared',
  GrantRoleStmt: 'grants are not compared',
  CreateRoleStmt: 'roles are not compared',
  AlterRoleStmt: 'roles are not compared',
  AlterDefaultPrivilegesStmt: 'grants are not compared',
  CommentStmt: 'comments are not compared',
  AlterOwnerStmt: 'owners are not compared',
  CreateSeqStmt: 'sequences are not compared',
  AlterSeqStmt: 'sequences are not compared',
  CreateStatsStmt: 'statistics are not compared',
  CreatePublicationStmt: 'publications are not compared',
  CreateSubscriptionStmt: 'subscriptions are not compared',
};

/** Parts of ALTER TABLE that are not compared. */
const UNSEEN_COMMAND =
  /^AT_(?:(?:En|Dis)able\w*|ForceRowSecurity|NoForceRowSecurity|SetStatistics|SetOptions|ResetOptions|SetRelOptions|ResetRelOptions|SetStorage|SetCompression|ClusterOn|DropCluster|ChangeOwner|AttachPartition|DetachPartition|SetLogged|SetUnLogged|AddInherit|DropInherit|SetTableSpace|ReplicaIdentity|ValidateConstraint)$/;

/** Objects whose removal is not compared. */
const UNSEEN_DROP =
  /^OBJECT_(?:VIEW|MATVIEW|FUNCTION|PROCEDURE|ROUTINE|AGGREGATE|TRIGGER|RULE|DOMAIN|EXTENSION|POLICY|SCHEMA|SEQUENCE|OPERATOR|COLLATION|CAST)$/;

/** A statement of a migration that its reverse does not undo. */
export interface NotReversed {
  readonly statement: Statement;
  /** "views are not compared" */
  readonly why: string;
}

/**
 * Returns the statements of a migration that a comparison of the schema with and without it does not show. Leaves out
 * those about temporary objects, which end with the session. Pure.
 */
export function notReversed({ statements }: ParsedFile, schema: string): NotReversed[] {
  return statements.flatMap((statement) => {
    if (isAboutTemporary(statement.node)) return [];
    const why = whyNot(statement.node, schema);
    return why === undefined ? [] : [{ statement, why }];
  });
}

function whyNot(node: Node, schema: string): string | undefined {
  const [kind = ''] = Object.keys(node);
  const named = UNSEEN[kind];
  if (named !== undefined) return named;
  const other = schemaOf(node);
  if (other !== undefined && other !== schema) return `only schema ${schema} is compared`;
  if ('RenameStmt' in node) return 'a rename looks like a new object and a dropped one';
  if ('DropStmt' in node) {
    return UNSEEN_DROP.test(node.DropStmt.removeType ?? '') ? 'what it drops is not compared' : undefined;
  }
  if ('IndexStmt' in node) {
    const { whereClause, indexParams = [] } = node.IndexStmt;
    const isPlain = indexParams.every((part) => 'IndexElem' in part && part.IndexElem.name !== undefined);
    if (whereClause || !isPlain) return 'of an index only its columns are compared';
  }
  if ('CreateStmt' in node) {
    const { partspec, inhRelations, partbound } = node.CreateStmt;
    if (partspec || inhRelations || partbound) return 'partitions and inheritance are not compared';
    return undefined;
  }
  const command = commandsOf(node).find(isUnseen);
  return command && 'this part of a table is not compared';
}

/** Returns whether the comparison ignores one command of an ALTER TABLE. */
function isUnseen({ subtype, def }: AlterTableCmd): boolean {
  if (UNSEEN_COMMAND.test(subtype ?? '')) return true;
  if (subtype !== 'AT_AddConstraint' || !def) return false;
  return constraintsOf([def]).some(
    ({ contype }) => contype === 'CONSTR_CHECK' || contype === 'CONSTR_EXCLUSION',
  );
}

function schemaOf(node: Node): string | undefined {
  if ('CreateStmt' in node) return tableOf(node.CreateStmt.relation).schema;
  if ('AlterTableStmt' in node) return tableOf(node.AlterTableStmt.relation).schema;
  return 'IndexStmt' in node ? tableOf(node.IndexStmt.relation).schema : undefined;
}

/** SQL that undoes a statement which Prisma's comparison ignores. */
interface Undo {
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
