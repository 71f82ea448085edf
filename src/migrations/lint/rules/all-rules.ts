import type { Node } from 'libpg-query';
import type { Rule } from '../rule.js';
import { columnTypeChange, volatileDefault } from './column-rewrites.js';
import { concurrentlyInTransaction, openTransaction } from './transactions.js';
import { dropObject } from './drop-object.js';
import { cascade, dropColumn, dropSchema, dropTable, truncate } from './drops.js';
import { enumValueInUse } from './enum-value-in-use.js';
import { noLockTimeout, riskyTogether } from './held-locks.js';
import { constraintBuildsIndex, createIndexBlocking, dropIndexBlocking } from './index-locks.js';
import { lockTable, refreshBlocking, reindexBlocking } from './maintenance-locks.js';
import { checkNotValid, domainCheck, foreignKeyNotValid } from './not-valid.js';
import { missingOwner, nullableOwner } from './owner-columns.js';
import { attachPartition, concurrentlyOnPartitioned, detachPartition } from './partitions.js';
import { grantToPublic } from './grant-to-public.js';
import { renameColumn, renameSchema, renameTable, renameType } from './renames.js';
import { requiredColumn, setNotNull } from './required-columns.js';
import { sequenceReset } from './sequence-reset.js';
import { tableRewrite, unloggedTable } from './table-rewrites.js';
import { deleteWithoutWhere, updateWithoutWhere } from './unfiltered-writes.js';
import { weakenedProtection } from './weakened-protection.js';

/** Every rule about a single statement, in the order in which findings of one place are told. */
export const STATEMENT_RULES: readonly Rule[] = [
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
];

const BY_KIND = new Map<string, readonly Rule[]>();
for (const rule of STATEMENT_RULES) {
  for (const kind of rule.on) BY_KIND.set(kind, [...(BY_KIND.get(kind) ?? []), rule]);
}

/** The rules that have something to say about a statement: a node is an object with one member, its kind. */
export function rulesFor(node: Node): readonly Rule[] {
  return BY_KIND.get(Object.keys(node)[0] ?? '') ?? [];
}

/** Rules about a whole file, and about waivers. */
export const FILE_RULES = [
  'migration-name',
  'no-script',
  'syntax-error',
  'not-utf8',
  'byte-order-mark',
  'empty-migration',
  'not-looked-into',
  'edited-after-apply',
  'sql-outside-migrations',
  'waiver-without-reason',
  'unused-waiver',
] as const;
export type FileRule = (typeof FILE_RULES)[number];
