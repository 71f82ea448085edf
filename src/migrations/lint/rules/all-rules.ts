import type { Node } from 'libpg-query';
import { commandsOf } from '../../sql/syntax-tree.js';
import type { FileRule, Rule, StatementRule, WaiverRule } from '../rule.js';
import { columnTypeChange, volatileDefault } from './column-rewrites.js';
import { cascade, dropColumn, dropObject, dropSchema, dropTable, truncate } from './drops.js';
import { enumValueInUse } from './enum-value-in-use.js';
import {
  byteOrderMark,
  editedAfterApply,
  emptyMigration,
  noScript,
  notLookedInto,
  notUtf8,
  sqlOutsideMigrations,
  syntaxError,
} from './files.js';
import { grantToPublic } from './grant-to-public.js';
import { noLockTimeout, riskyTogether } from './held-locks.js';
import { constraintBuildsIndex, createIndexBlocking, dropIndexBlocking } from './index-locks.js';
import { lockTable, refreshBlocking, reindexBlocking } from './maintenance-locks.js';
import { migrationName } from './migration-name.js';
import { checkNotValid, domainCheck, foreignKeyNotValid } from './not-valid.js';
import { missingOwner, nullableOwner } from './owner-columns.js';
import { attachPartition, concurrentlyOnPartitioned, detachPartition } from './partitions.js';
import { renameColumn, renameSchema, renameTable, renameType } from './renames.js';
import { requiredColumn, setNotNull } from './required-columns.js';
import { sequenceReset } from './sequence-reset.js';
import { tableRewrite, unloggedTable } from './table-rewrites.js';
import { concurrentlyInTransaction, openTransaction } from './transactions.js';
import { deleteWithoutWhere, updateWithoutWhere } from './unfiltered-writes.js';
import { unusedWaiver, waiverWithoutReason } from './waivers.js';
import { weakenedProtection } from './weakened-protection.js';

/** Every rule, one a line, in the order in which findings of one place are reported. */
export const RULES: readonly Rule[] = [
  requiredColumn,
  updateWithoutWhere,
  deleteWithoutWhere,
  truncate,
  dropTable,
  dropColumn,
  dropSchema,
  cascade,
  dropObject,
  unloggedTable,
  weakenedProtection,
  grantToPublic,
  sequenceReset,
  renameTable,
  renameColumn,
  renameType,
  renameSchema,
  openTransaction,
  concurrentlyInTransaction,
  concurrentlyOnPartitioned,
  enumValueInUse,
  createIndexBlocking,
  dropIndexBlocking,
  constraintBuildsIndex,
  foreignKeyNotValid,
  checkNotValid,
  domainCheck,
  columnTypeChange,
  setNotNull,
  volatileDefault,
  tableRewrite,
  reindexBlocking,
  refreshBlocking,
  attachPartition,
  detachPartition,
  lockTable,
  riskyTogether,
  noLockTimeout,
  nullableOwner,
  missingOwner,
  migrationName,
  editedAfterApply,
  sqlOutsideMigrations,
  noScript,
  syntaxError,
  notUtf8,
  byteOrderMark,
  emptyMigration,
  notLookedInto,
  waiverWithoutReason,
  unusedWaiver,
];

export const STATEMENT_RULES = RULES.filter((rule): rule is StatementRule => 'check' in rule);
export const FILE_RULES = RULES.filter((rule): rule is FileRule => 'checkFile' in rule);
export const WAIVER_RULES = RULES.filter((rule): rule is WaiverRule => 'checkWaiver' in rule);

const BY_ID = new Map(RULES.map((rule) => [rule.id, rule]));

/** Returns the rule of a name; undefined if there is none, or if it is of another linter. */
export function ruleOf(id: string): Rule | undefined {
  return BY_ID.get(id);
}

/** Returns where a rule is documented, from the root of the package; undefined for a rule of another linter. */
export function docsOf(id: string): string | undefined {
  return BY_ID.has(id) ? `docs/lint-rules.md#${id}` : undefined;
}

/** Returns the rules that check a statement. */
export function rulesFor(node: Node): readonly StatementRule[] {
  const commands = new Set<string>([
    ...Object.keys(node),
    ...commandsOf(node).map(({ subtype = 'AT_AddColumn' }) => subtype),
  ]);
  return STATEMENT_RULES.filter(({ on }) => on.some((command) => commands.has(command)));
}
