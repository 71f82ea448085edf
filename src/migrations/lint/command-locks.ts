import type { AlterTableType } from 'libpg-query';
import type { StatementKind } from './rule.js';

/** PostgreSQL's table-level locks, the weakest first. */
export const LOCKS = [
  'none',
  'ACCESS SHARE',
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
] as const;

type Lock = (typeof LOCKS)[number];

/** A command, and what it locks. Which rules check it, the rules declare. */
export interface CommandLock {
  /** As it is written in SQL. */
  readonly sql: string;
  /** The strongest lock on a table that other sessions use. */
  readonly lock: Lock;
  /** Why no rule checks it, or what the rules leave out; empty if there is nothing to say. */
  readonly note: string;
}

export function command(sql: string, lock: Lock = 'none', note = ''): CommandLock {
  return { sql, lock, note };
}

/** Whether a lock blocks the reads or writes of other sessions. */
export function blocksOthers(lock: Lock): boolean {
  return LOCKS.indexOf(lock) >= LOCKS.indexOf('SHARE');
}

const BRIEF = 'changes the catalogue only';
const BODY = 'what it runs is not in the file';
const CONDITION = 'changes the catalogue only; its condition is not checked';

/** Nodes of the grammar that have the name of a statement, but cannot be in a file. */
type Inner = 'RawStmt' | 'PLAssignStmt' | 'ReturnStmt' | 'SetOperationStmt' | 'ReplicaIdentityStmt';

/** Every kind of statement, by the parser's name. */
type FileStatement = Exclude<Extract<StatementKind, `${string}Stmt`>, Inner>;

/** Every statement with PostgreSQL's lock. The compiler keeps the list complete. */
export const STATEMENTS: Readonly<Record<FileStatement, CommandLock>> = {
  AlterTableStmt: command('ALTER TABLE (commands below)', 'ACCESS EXCLUSIVE'),
  CreateStmt: command('CREATE TABLE', 'SHARE ROW EXCLUSIVE'),
  DropStmt: command('DROP TABLE, INDEX, VIEW, POLICY, TRIGGER, TYPE, SCHEMA …', 'ACCESS EXCLUSIVE'),
  TruncateStmt: command('TRUNCATE', 'ACCESS EXCLUSIVE'),
  RenameStmt: command('ALTER … RENAME', 'ACCESS EXCLUSIVE'),
  AlterObjectSchemaStmt: command('ALTER … SET SCHEMA', 'ACCESS EXCLUSIVE'),
  IndexStmt: command('CREATE INDEX', 'SHARE'),
  ReindexStmt: command('REINDEX', 'SHARE'),
  ClusterStmt: command('CLUSTER', 'ACCESS EXCLUSIVE'),
  VacuumStmt: command('VACUUM, ANALYZE', 'ACCESS EXCLUSIVE'),
  RefreshMatViewStmt: command('REFRESH MATERIALIZED VIEW', 'ACCESS EXCLUSIVE'),
  LockStmt: command('LOCK TABLE', 'ACCESS EXCLUSIVE'),
  CreateTrigStmt: command('CREATE TRIGGER', 'SHARE ROW EXCLUSIVE', BRIEF),
  RuleStmt: command('CREATE RULE', 'ACCESS EXCLUSIVE', BRIEF),
  CreatePolicyStmt: command('CREATE POLICY', 'ACCESS EXCLUSIVE', CONDITION),
  AlterPolicyStmt: command('ALTER POLICY', 'ACCESS EXCLUSIVE', CONDITION),
  CreateStatsStmt: command('CREATE STATISTICS', 'SHARE UPDATE EXCLUSIVE', BRIEF),
  AlterTableMoveAllStmt: command(
    'ALTER TABLE ALL IN TABLESPACE',
    'ACCESS EXCLUSIVE',
    'names no table; run it outside of migrations',
  ),
  UpdateStmt: command('UPDATE', 'ROW EXCLUSIVE'),
  DeleteStmt: command('DELETE', 'ROW EXCLUSIVE'),
  InsertStmt: command('INSERT', 'ROW EXCLUSIVE'),
  MergeStmt: command('MERGE', 'ROW EXCLUSIVE', 'its own conditions are not checked'),
  CopyStmt: command('COPY', 'ROW EXCLUSIVE', 'adds rows'),
  SelectStmt: command('SELECT', 'ACCESS SHARE'),
  CreateTableAsStmt: command('CREATE TABLE AS, CREATE MATERIALIZED VIEW', 'ACCESS SHARE'),
  ViewStmt: command('CREATE VIEW', 'ACCESS SHARE'),
  DoStmt: command('DO'),
  CallStmt: command('CALL', 'none', BODY),
  ExecuteStmt: command('EXECUTE', 'none', BODY),
  ExplainStmt: command('EXPLAIN'),
  AlterEnumStmt: command('ALTER TYPE … ADD VALUE, RENAME VALUE'),
  AlterDomainStmt: command('ALTER DOMAIN', 'SHARE'),
  AlterSeqStmt: command('ALTER SEQUENCE'),
  GrantStmt: command('GRANT, REVOKE'),
  AlterDefaultPrivilegesStmt: command('ALTER DEFAULT PRIVILEGES'),
  AlterRoleStmt: command('ALTER ROLE'),
  CreateRoleStmt: command('CREATE ROLE'),
  VariableSetStmt: command('SET, RESET'),
  DropdbStmt: command('DROP DATABASE'),
  DropOwnedStmt: command('DROP OWNED', 'ACCESS EXCLUSIVE'),
  DropSubscriptionStmt: command('DROP SUBSCRIPTION'),
  TransactionStmt: command('BEGIN, COMMIT, ROLLBACK'),
  DiscardStmt: command('DISCARD'),
  AlterSystemStmt: command('ALTER SYSTEM'),
  CreatedbStmt: command('CREATE DATABASE'),
  CreateTableSpaceStmt: command('CREATE TABLESPACE'),
  DropTableSpaceStmt: command('DROP TABLESPACE'),
  // These lock no table in use for long, remove no row and weaken no protection.
  AlterCollationStmt: command('ALTER COLLATION'),
  AlterDatabaseRefreshCollStmt: command('ALTER DATABASE REFRESH COLLATION VERSION'),
  AlterDatabaseSetStmt: command('ALTER DATABASE SET'),
  AlterDatabaseStmt: command('ALTER DATABASE'),
  AlterEventTrigStmt: command('ALTER EVENT TRIGGER'),
  AlterExtensionContentsStmt: command('ALTER EXTENSION ADD, DROP'),
  AlterExtensionStmt: command('ALTER EXTENSION UPDATE'),
  AlterFdwStmt: command('ALTER FOREIGN DATA WRAPPER'),
  AlterForeignServerStmt: command('ALTER SERVER'),
  AlterFunctionStmt: command('ALTER FUNCTION'),
  AlterObjectDependsStmt: command('ALTER … DEPENDS ON EXTENSION'),
  AlterOpFamilyStmt: command('ALTER OPERATOR FAMILY'),
  AlterOperatorStmt: command('ALTER OPERATOR'),
  AlterOwnerStmt: command('ALTER … OWNER TO'),
  AlterPublicationStmt: command('ALTER PUBLICATION'),
  AlterRoleSetStmt: command('ALTER ROLE SET'),
  AlterStatsStmt: command('ALTER STATISTICS'),
  AlterSubscriptionStmt: command('ALTER SUBSCRIPTION'),
  AlterTSConfigurationStmt: command('ALTER TEXT SEARCH CONFIGURATION'),
  AlterTSDictionaryStmt: command('ALTER TEXT SEARCH DICTIONARY'),
  AlterTableSpaceOptionsStmt: command('ALTER TABLESPACE'),
  AlterTypeStmt: command('ALTER TYPE SET (…)'),
  AlterUserMappingStmt: command('ALTER USER MAPPING'),
  CheckPointStmt: command('CHECKPOINT'),
  ClosePortalStmt: command('CLOSE'),
  CommentStmt: command('COMMENT'),
  CompositeTypeStmt: command('CREATE TYPE AS (…)'),
  ConstraintsSetStmt: command('SET CONSTRAINTS'),
  CreateAmStmt: command('CREATE ACCESS METHOD'),
  CreateCastStmt: command('CREATE CAST'),
  CreateConversionStmt: command('CREATE CONVERSION'),
  CreateDomainStmt: command('CREATE DOMAIN'),
  CreateEnumStmt: command('CREATE TYPE AS ENUM'),
  CreateEventTrigStmt: command('CREATE EVENT TRIGGER'),
  CreateExtensionStmt: command('CREATE EXTENSION'),
  CreateFdwStmt: command('CREATE FOREIGN DATA WRAPPER'),
  CreateForeignServerStmt: command('CREATE SERVER'),
  CreateForeignTableStmt: command('CREATE FOREIGN TABLE'),
  CreateFunctionStmt: command('CREATE FUNCTION'),
  CreateOpClassStmt: command('CREATE OPERATOR CLASS'),
  CreateOpFamilyStmt: command('CREATE OPERATOR FAMILY'),
  CreatePLangStmt: command('CREATE LANGUAGE'),
  CreatePublicationStmt: command('CREATE PUBLICATION'),
  CreateRangeStmt: command('CREATE TYPE AS RANGE'),
  CreateSchemaStmt: command('CREATE SCHEMA'),
  CreateSeqStmt: command('CREATE SEQUENCE'),
  CreateSubscriptionStmt: command('CREATE SUBSCRIPTION'),
  CreateTransformStmt: command('CREATE TRANSFORM'),
  CreateUserMappingStmt: command('CREATE USER MAPPING'),
  DeallocateStmt: command('DEALLOCATE'),
  DeclareCursorStmt: command('DECLARE'),
  DefineStmt: command('CREATE AGGREGATE, OPERATOR, TYPE …'),
  DropRoleStmt: command('DROP ROLE'),
  DropUserMappingStmt: command('DROP USER MAPPING'),
  FetchStmt: command('FETCH, MOVE'),
  GrantRoleStmt: command('GRANT role, REVOKE role'),
  ImportForeignSchemaStmt: command('IMPORT FOREIGN SCHEMA'),
  ListenStmt: command('LISTEN'),
  LoadStmt: command('LOAD'),
  NotifyStmt: command('NOTIFY'),
  PrepareStmt: command('PREPARE'),
  ReassignOwnedStmt: command('REASSIGN OWNED'),
  SecLabelStmt: command('SECURITY LABEL'),
  UnlistenStmt: command('UNLISTEN'),
  VariableShowStmt: command('SHOW'),
};

const INTERNAL = 'made by PostgreSQL itself; cannot be written';
const ENABLES = 'strengthens protection; changes the catalogue only';

const AE = 'ACCESS EXCLUSIVE';
const SRE = 'SHARE ROW EXCLUSIVE';
const SUE = 'SHARE UPDATE EXCLUSIVE';

/** Every command of ALTER TABLE with PostgreSQL's lock. The compiler keeps the list complete. */
export const ALTER_TABLE: Readonly<Record<AlterTableType, CommandLock>> = {
  AT_AddColumn: command('ADD COLUMN', AE),
  AT_AddColumnToView: command('(ADD COLUMN to a view)', AE, INTERNAL),
  AT_ColumnDefault: command('ALTER COLUMN SET DEFAULT, DROP DEFAULT', AE, BRIEF),
  AT_CookedColumnDefault: command('(SET DEFAULT, parsed)', AE, INTERNAL),
  AT_DropNotNull: command('ALTER COLUMN DROP NOT NULL', AE),
  AT_SetNotNull: command('ALTER COLUMN SET NOT NULL', AE),
  AT_SetExpression: command('ALTER COLUMN SET EXPRESSION', AE),
  AT_DropExpression: command('ALTER COLUMN DROP EXPRESSION', AE, BRIEF),
  AT_SetStatistics: command('ALTER COLUMN SET STATISTICS', SUE, BRIEF),
  AT_SetOptions: command('ALTER COLUMN SET (…)', SUE, BRIEF),
  AT_ResetOptions: command('ALTER COLUMN RESET (…)', SUE, BRIEF),
  AT_SetStorage: command('ALTER COLUMN SET STORAGE', AE, BRIEF),
  AT_SetCompression: command('ALTER COLUMN SET COMPRESSION', AE, BRIEF),
  AT_DropColumn: command('DROP COLUMN', AE),
  AT_AddIndex: command('(ADD INDEX)', SRE, INTERNAL),
  AT_ReAddIndex: command('(ADD INDEX again)', AE, INTERNAL),
  AT_AddConstraint: command('ADD CONSTRAINT', AE),
  AT_ReAddConstraint: command('(ADD CONSTRAINT again)', AE, INTERNAL),
  AT_ReAddDomainConstraint: command('(ADD CONSTRAINT of a domain again)', AE, INTERNAL),
  AT_AlterConstraint: command('ALTER CONSTRAINT', AE),
  AT_ValidateConstraint: command('VALIDATE CONSTRAINT', SUE),
  AT_AddIndexConstraint: command('ADD CONSTRAINT USING INDEX', AE),
  AT_DropConstraint: command('DROP CONSTRAINT', AE),
  AT_ReAddComment: command('(COMMENT again)', AE, INTERNAL),
  AT_AlterColumnType: command('ALTER COLUMN TYPE', AE),
  AT_AlterColumnGenericOptions: command('ALTER COLUMN OPTIONS (foreign table)', AE, BRIEF),
  AT_ChangeOwner: command('OWNER TO', AE, BRIEF),
  AT_ClusterOn: command('CLUSTER ON', SUE, BRIEF),
  AT_DropCluster: command('SET WITHOUT CLUSTER', SUE, BRIEF),
  AT_SetLogged: command('SET LOGGED', AE),
  AT_SetUnLogged: command('SET UNLOGGED', AE),
  AT_DropOids: command('SET WITHOUT OIDS', AE, 'does nothing since PostgreSQL 12'),
  AT_SetAccessMethod: command('SET ACCESS METHOD', AE),
  AT_SetTableSpace: command('SET TABLESPACE', AE),
  AT_SetRelOptions: command('SET (…)', SUE, BRIEF),
  AT_ResetRelOptions: command('RESET (…)', SUE, BRIEF),
  AT_ReplaceRelOptions: command('(SET of a view)', AE, INTERNAL),
  AT_EnableTrig: command('ENABLE TRIGGER', SRE, ENABLES),
  AT_EnableAlwaysTrig: command('ENABLE ALWAYS TRIGGER', SRE, ENABLES),
  AT_EnableReplicaTrig: command('ENABLE REPLICA TRIGGER', SRE),
  AT_DisableTrig: command('DISABLE TRIGGER name', SRE),
  AT_EnableTrigAll: command('ENABLE TRIGGER ALL', SRE, ENABLES),
  AT_DisableTrigAll: command('DISABLE TRIGGER ALL', SRE),
  AT_EnableTrigUser: command('ENABLE TRIGGER USER', SRE, ENABLES),
  AT_DisableTrigUser: command('DISABLE TRIGGER USER', SRE),
  AT_EnableRule: command('ENABLE RULE', AE, ENABLES),
  AT_EnableAlwaysRule: command('ENABLE ALWAYS RULE', AE, ENABLES),
  AT_EnableReplicaRule: command('ENABLE REPLICA RULE', AE),
  AT_DisableRule: command('DISABLE RULE', AE),
  AT_AddInherit: command('INHERIT', AE, BRIEF),
  AT_DropInherit: command('NO INHERIT', AE, BRIEF),
  AT_AddOf: command('OF', AE, BRIEF),
  AT_DropOf: command('NOT OF', AE, BRIEF),
  AT_ReplicaIdentity: command('REPLICA IDENTITY', AE, BRIEF),
  AT_EnableRowSecurity: command('ENABLE ROW LEVEL SECURITY', AE, ENABLES),
  AT_DisableRowSecurity: command('DISABLE ROW LEVEL SECURITY', AE),
  AT_ForceRowSecurity: command('FORCE ROW LEVEL SECURITY', AE, ENABLES),
  AT_NoForceRowSecurity: command('NO FORCE ROW LEVEL SECURITY', AE),
  AT_GenericOptions: command('OPTIONS (foreign table)', AE, BRIEF),
  AT_AttachPartition: command('ATTACH PARTITION', AE),
  AT_DetachPartition: command('DETACH PARTITION', AE),
  AT_DetachPartitionFinalize: command('DETACH PARTITION FINALIZE', AE, BRIEF),
  AT_AddIdentity: command('ALTER COLUMN ADD GENERATED AS IDENTITY', AE, BRIEF),
  AT_SetIdentity: command('ALTER COLUMN SET GENERATED, RESTART', AE),
  AT_DropIdentity: command('ALTER COLUMN DROP IDENTITY', AE, BRIEF),
  AT_ReAddStatistics: command('(CREATE STATISTICS again)', AE, INTERNAL),
};
