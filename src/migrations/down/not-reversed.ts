import type { AlterTableCmd, Node } from 'libpg-query';
import type { ParsedFile } from '../sql/parse-files.js';
import { isAboutTemporary } from '../names/temporary-objects.js';
import type { Statement } from '../sql/statements.js';
import { commandsOf, constraintsOf, tableOf } from '../sql/syntax-tree.js';

/** What a statement makes, where Prisma's comparison of two schemas does not see it. */
const UNSEEN: Readonly<Record<string, string>> = {
  InsertStmt: 'rows are not compared',
  UpdateStmt: 'rows are not compared, and nobody knows what stood there before',
  DeleteStmt: 'rows are not compared, and nobody knows which there were',
  MergeStmt: 'rows are not compared',
  CopyStmt: 'rows are not compared',
  TruncateStmt: 'rows are not compared, and nobody knows which there were',
  SelectStmt: 'nobody knows what it does',
  DoStmt: 'what it does is not compared',
  CallStmt: 'what it does is not compared',
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

/** Objects whose end is not compared. */
const UNSEEN_DROP =
  /^OBJECT_(?:VIEW|MATVIEW|FUNCTION|PROCEDURE|ROUTINE|AGGREGATE|TRIGGER|RULE|DOMAIN|EXTENSION|POLICY|SCHEMA|SEQUENCE|OPERATOR|COLLATION|CAST)$/;

/** A statement that the reverse of a migration does not take back. */
export interface NotReversed {
  readonly statement: Statement;
  /** "views are not compared" */
  readonly why: string;
}

/**
 * Statements of a migration that a comparison of the schema with and without it does not show, but for those about
 * temporary objects, which are gone with the session. Pure.
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
  if ('RenameStmt' in node) return 'a name that is new looks like something new beside something gone';
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

/** Whether the comparison does not see one command of an ALTER TABLE. */
export function isUnseen({ subtype, def }: AlterTableCmd): boolean {
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
