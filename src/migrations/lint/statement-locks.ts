import type { StatementKind } from './rule.js';

const BRIEF = 'changes the catalogue only';
const BODY = 'what it runs is not in the file';
const CONDITION = 'changes the catalogue only; its condition is not judged';

/** Nodes of the grammar that are called statements, and are none that a file can hold. */
type Inner = 'RawStmt' | 'PLAssignStmt' | 'ReturnStmt' | 'SetOperationStmt' | 'ReplicaIdentityStmt';

/** Every kind of statement, by the parser's name. */
export type FileStatement = Exclude<Extract<StatementKind, `${string}Stmt`>, Inner>;

/** Statements that neither lock a table in use for long, nor lose rows, nor take protection away. */
const HARMLESS = {
  AlterCollationStmt: 'ALTER COLLATION',
  AlterDatabaseRefreshCollStmt: 'ALTER DATABASE REFRESH COLLATION VERSION',
  AlterDatabaseSetStmt: 'ALTER DATABASE SET',
  AlterDatabaseStmt: 'ALTER DATABASE',
  AlterEventTrigStmt: 'ALTER EVENT TRIGGER',
  AlterExtensionContentsStmt: 'ALTER EXTENSION ADD, DROP',
  AlterExtensionStmt: 'ALTER EXTENSION UPDATE',
  AlterFdwStmt: 'ALTER FOREIGN DATA WRAPPER',
  AlterForeignServerStmt: 'ALTER SERVER',
  AlterFunctionStmt: 'ALTER FUNCTION',
  AlterObjectDependsStmt: 'ALTER … DEPENDS ON EXTENSION',
  AlterOpFamilyStmt: 'ALTER OPERATOR FAMILY',
  AlterOperatorStmt: 'ALTER OPERATOR',
  AlterOwnerStmt: 'ALTER … OWNER TO',
  AlterPublicationStmt: 'ALTER PUBLICATION',
  AlterRoleSetStmt: 'ALTER ROLE SET',
  AlterStatsStmt: 'ALTER STATISTICS',
  AlterSubscriptionStmt: 'ALTER SUBSCRIPTION',
  AlterTSConfigurationStmt: 'ALTER TEXT SEARCH CONFIGURATION',
  AlterTSDictionaryStmt: 'ALTER TEXT SEARCH DICTIONARY',
  AlterTableSpaceOptionsStmt: 'ALTER TABLESPACE',
  AlterTypeStmt: 'ALTER TYPE SET (…)',
  AlterUserMappingStmt: 'ALTER USER MAPPING',
  CheckPointStmt: 'CHECKPOINT',
  ClosePortalStmt: 'CLOSE',
  CommentStmt: 'COMMENT',
  CompositeTypeStmt: 'CREATE TYPE AS (…)',
  ConstraintsSetStmt: 'SET CONSTRAINTS',
  CreateAmStmt: 'CREATE ACCESS METHOD',
  CreateCastStmt: 'CREATE CAST',
  CreateConversionStmt: 'CREATE CONVERSION',
  CreateDomainStmt: 'CREATE DOMAIN',
  CreateEnumStmt: 'CREATE TYPE AS ENUM',
  CreateEventTrigStmt: 'CREATE EVENT TRIGGER',
  CreateExtensionStmt: 'CREATE EXTENSION',
  CreateFdwStmt: 'CREATE FOREIGN DATA WRAPPER',
  CreateForeignServerStmt: 'CREATE SERVER',
  CreateForeignTableStmt: 'CREATE FOREIGN TABLE',
  CreateFunctionStmt: 'CREATE FUNCTION',
  CreateOpClassStmt: 'CREATE OPERATOR CLASS',
  CreateOpFamilyStmt: 'CREATE OPERATOR FAMILY',
  CreatePLangStmt: 'CREATE LANGUAGE',
  CreatePublicationStmt: 'CREATE PUBLICATION',
  CreateRangeStmt: 'CREATE TYPE AS RANGE',
  CreateSchemaStmt: 'CREATE SCHEMA',
  CreateSeqStmt: 'CREATE SEQUENCE',
  CreateSubscriptionStmt: 'CREATE SUBSCRIPTION',
  CreateTransformStmt: 'CREATE TRANSFORM',
  CreateUserMappingStmt: 'CREATE USER MAPPING',
  DeallocateStmt: 'DEALLOCATE',
  DeclareCursorStmt: 'DECLARE',
  DefineStmt: 'CREATE AGGREGATE, OPERATOR, TYPE …',
  DropRoleStmt: 'DROP ROLE',
  DropUserMappingStmt: 'DROP USER MAPPING',
  FetchStmt: 'FETCH, MOVE',
  GrantRoleStmt: 'GRANT role, REVOKE role',
  ImportForeignSchemaStmt: 'IMPORT FOREIGN SCHEMA',
  ListenStmt: 'LISTEN',
  LoadStmt: 'LOAD',
  NotifyStmt: 'NOTIFY',
  PrepareStmt: 'PREPARE',
  ReassignOwnedStmt: 'REASSIGN OWNED',
  SecLabelStmt: 'SECURITY LABEL',
  UnlistenStmt: 'UNLISTEN',
  VariableShowStmt: 'SHOW',
} as const;

const JUDGED = {
  AlterTableStmt: judged('ALTER TABLE (commands below)', 'ACCESS EXCLUSIVE', 'no-lock-timeout'),
  CreateStmt: judged(
    'CREATE TABLE',
    'SHARE ROW EXCLUSIVE',
    'unlogged-table',
    'nullable-owner',
    'missing-owner',
    'no-lock-timeout',
  ),
  DropStmt: judged(
    'DROP TABLE, INDEX, VIEW, POLICY, TRIGGER, TYPE, SCHEMA …',
    'ACCESS EXCLUSIVE',
    'drop-table',
    'drop-schema',
    'drop-object',
    'weakened-protection',
    'cascade',
    'drop-index-not-concurrently',
    'concurrently-in-transaction',
  ),
  TruncateStmt: judged('TRUNCATE', 'ACCESS EXCLUSIVE', 'truncate', 'cascade'),
  RenameStmt: judged(
    'ALTER … RENAME',
    'ACCESS EXCLUSIVE',
    'rename-table',
    'rename-column',
    'rename-type',
    'rename-schema',
  ),
  AlterObjectSchemaStmt: judged('ALTER … SET SCHEMA', 'ACCESS EXCLUSIVE', 'rename-table'),
  IndexStmt: judged(
    'CREATE INDEX',
    'SHARE',
    'create-index-not-concurrently',
    'concurrently-in-transaction',
    'concurrently-on-partitioned',
  ),
  ReindexStmt: judged('REINDEX', 'SHARE', 'reindex-not-concurrently', 'concurrently-in-transaction'),
  ClusterStmt: judged('CLUSTER', 'ACCESS EXCLUSIVE', 'table-rewrite', 'concurrently-in-transaction'),
  VacuumStmt: judged('VACUUM, ANALYZE', 'ACCESS EXCLUSIVE', 'table-rewrite', 'concurrently-in-transaction'),
  RefreshMatViewStmt: judged('REFRESH MATERIALIZED VIEW', 'ACCESS EXCLUSIVE', 'refresh-not-concurrently'),
  LockStmt: judged('LOCK TABLE', 'ACCESS EXCLUSIVE', 'lock-table'),
  CreateTrigStmt: left('CREATE TRIGGER', 'SHARE ROW EXCLUSIVE', BRIEF),
  RuleStmt: left('CREATE RULE', 'ACCESS EXCLUSIVE', BRIEF),
  CreatePolicyStmt: left('CREATE POLICY', 'ACCESS EXCLUSIVE', CONDITION),
  AlterPolicyStmt: left('ALTER POLICY', 'ACCESS EXCLUSIVE', CONDITION),
  CreateStatsStmt: left('CREATE STATISTICS', 'SHARE UPDATE EXCLUSIVE', BRIEF),
  AlterTableMoveAllStmt: left(
    'ALTER TABLE ALL IN TABLESPACE',
    'ACCESS EXCLUSIVE',
    'names no table; run outside of migrations',
  ),
  UpdateStmt: judged(
    'UPDATE',
    'ROW EXCLUSIVE',
    'update-without-where',
    'risky-together',
    'enum-value-in-use',
  ),
  DeleteStmt: judged('DELETE', 'ROW EXCLUSIVE', 'delete-without-where', 'risky-together'),
  InsertStmt: judged('INSERT', 'ROW EXCLUSIVE', 'enum-value-in-use', 'risky-together'),
  MergeStmt: left(
    'MERGE',
    'ROW EXCLUSIVE',
    'its conditions are not judged; an UPDATE or a DELETE in a WITH is',
  ),
  CopyStmt: left('COPY', 'ROW EXCLUSIVE', 'adds rows'),
  SelectStmt: judged(
    'SELECT',
    'ACCESS SHARE',
    'sequence-reset',
    'update-without-where',
    'delete-without-where',
  ),
  CreateTableAsStmt: left(
    'CREATE TABLE AS, CREATE MATERIALIZED VIEW',
    'ACCESS SHARE',
    'makes a table of its own',
  ),
  ViewStmt: left('CREATE VIEW', 'ACCESS SHARE', 'PostgreSQL refuses a change that takes columns away'),
  DoStmt: judged('DO', 'none', 'not-looked-into'),
  CallStmt: left('CALL', 'none', BODY),
  ExecuteStmt: left('EXECUTE', 'none', BODY),
  ExplainStmt: left('EXPLAIN', 'none', 'with ANALYZE it runs its statement, which is judged'),
  AlterEnumStmt: judged('ALTER TYPE … ADD VALUE, RENAME VALUE', 'none', 'enum-value-in-use', 'rename-type'),
  AlterDomainStmt: judged('ALTER DOMAIN', 'SHARE', 'domain-check-without-not-valid'),
  AlterSeqStmt: judged('ALTER SEQUENCE', 'none', 'sequence-reset'),
  GrantStmt: judged('GRANT, REVOKE', 'none', 'grant-to-public'),
  AlterDefaultPrivilegesStmt: judged('ALTER DEFAULT PRIVILEGES', 'none', 'grant-to-public'),
  AlterRoleStmt: judged('ALTER ROLE', 'none', 'weakened-protection'),
  CreateRoleStmt: judged('CREATE ROLE', 'none', 'weakened-protection'),
  VariableSetStmt: judged('SET, RESET', 'none', 'weakened-protection', 'no-lock-timeout'),
  DropdbStmt: judged('DROP DATABASE', 'none', 'drop-schema', 'concurrently-in-transaction'),
  DropOwnedStmt: judged('DROP OWNED', 'ACCESS EXCLUSIVE', 'drop-schema', 'cascade'),
  DropSubscriptionStmt: judged('DROP SUBSCRIPTION', 'none', 'drop-object'),
  TransactionStmt: judged('BEGIN, COMMIT, ROLLBACK', 'none', 'open-transaction'),
  DiscardStmt: judged('DISCARD', 'none', 'concurrently-in-transaction'),
  AlterSystemStmt: judged('ALTER SYSTEM', 'none', 'concurrently-in-transaction'),
  CreatedbStmt: judged('CREATE DATABASE', 'none', 'concurrently-in-transaction'),
  CreateTableSpaceStmt: judged('CREATE TABLESPACE', 'none', 'concurrently-in-transaction'),
  DropTableSpaceStmt: judged('DROP TABLESPACE', 'none', 'concurrently-in-transaction'),
} as const;

/**
 * Every statement, with PostgreSQL's lock and what the lint says. The compiler keeps the list complete: a statement that
 * is in neither list, or in both, does not compile.
 */
export const STATEMENTS: Readonly<Record<Exclude<FileStatement, keyof typeof HARMLESS>, Verdict>> = JUDGED;
export const HARMLESS_STATEMENTS: Readonly<Record<Exclude<FileStatement, keyof typeof JUDGED>, string>> =
  HARMLESS;

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

/** What the lint says about a command. */
export interface Verdict {
  /** As it is written in SQL. */
  readonly sql: string;
  /** The strongest lock on a table that other sessions use. */
  readonly lock: Lock;
  /** The rules that judge it. */
  readonly rules: readonly string[];
  /** Why no rule does, or what the rules leave out. */
  readonly why: string;
}

/** A command that rules judge. */
export function judged(sql: string, lock: Lock, ...rules: string[]): Verdict {
  return { sql, lock, rules, why: '' };
}

/** A command that no rule judges beyond its lock. */
export function left(sql: string, lock: Lock, why: string): Verdict {
  return { sql, lock, rules: [], why };
}

/** Whether a lock keeps others from reading or writing. */
export function blocksOthers(lock: Lock): boolean {
  return LOCKS.indexOf(lock) >= LOCKS.indexOf('SHARE');
}
