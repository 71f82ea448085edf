import { identifier } from '../core/text.js';
import { HINTS, POLICY_REFUSED, REASON_REQUIRED, REFUSALS, ROW_HELD } from '../policy/policy-texts.js';
import type { ModelRules } from '../prisma-schema/rules.js';
import { isAbsent, isArgs } from './args.js';
import { GuardError } from './guard-error.js';
import { DEFAULT_SCHEMA, type GuardedModel, type GuardedRelation } from './guarded-models.js';

/** Nested writes that leave the foreign key as it is. */
const KEEP_KEY: ReadonlySet<string> = new Set(['update', 'delete']);

/** @throws GuardError `PK004` if the rows of the model are never deleted. */
export function refuseDelete(rules: ModelRules): void {
  const { deleteRule: rule, deletedAt } = rules;
  if (rule === 'never') throw refusal(rules, 'DELETE', rule, deletedAt ? HINTS.delete : HINTS.change);
  if (rule === 'append' || rule === 'read') throw refusal(rules, 'DELETE', rule, HINTS.change);
}

/** Returns the refusal of an operation on a row that a legal hold keeps: `PK006`. */
export function heldRefusal(rules: ModelRules, operation: string): GuardError {
  return refusal(rules, operation, 'held', HINTS.held, ROW_HELD);
}

/**
 * Checks what an update writes, as the database's trigger checks what has changed.
 * @throws GuardError `PK004` if the rows or the columns never change, `PK005` if a reason is missing.
 */
export function refuseUpdate(model: GuardedModel, data: unknown, hasReason: boolean): void {
  const { tableRule, rules } = model;
  if (!tableRule || tableRule.update === null) return;
  const columns = writtenColumns(model, data);
  if (columns.some((column) => tableRule.immutable.includes(column))) {
    throw refusal(rules, 'UPDATE', 'immutable', HINTS.change);
  }
  if (tableRule.update === 'free' || columns.every((column) => tableRule.unexplained.includes(column)))
    return;
  if (tableRule.update !== 'correct') throw refusal(rules, 'UPDATE', tableRule.update, HINTS.change);
  if (!hasReason) throw refusal(rules, 'UPDATE', 'reason', HINTS.reason, REASON_REQUIRED);
}

/**
 * Checks a nested write that moves rows of the other model to another owner: the foreign key is theirs.
 * @throws GuardError `PK004`, `PK005`.
 */
export function refuseMove({ source, target }: GuardedRelation, hasReason: boolean): void {
  for (const { target: owner, name, foreignKey } of target.relations.values()) {
    if (owner === source && foreignKey.length > 0) refuseUpdate(target, { [name]: { set: true } }, hasReason);
  }
}

/** Returns the columns that the data of an update sets: its own, and the foreign keys of its relations. */
function writtenColumns({ rules, relations }: GuardedModel, data: unknown): string[] {
  if (!isArgs(data)) return [];
  const written = new Set<string>();
  for (const [name, value] of Object.entries(data)) {
    if (isAbsent(value)) continue;
    const relation = relations.get(name);
    const keepsKey = isArgs(value) && Object.keys(value).every((operation) => KEEP_KEY.has(operation));
    if (!relation) written.add(name);
    else if (!keepsKey) for (const field of relation.foreignKey) written.add(field);
  }
  return rules.model.fields.filter(({ name }) => written.has(name)).map(({ column }) => column);
}

function refusal(
  { model }: ModelRules,
  operation: string,
  why: keyof typeof REFUSALS,
  hint: string,
  code = POLICY_REFUSED,
): GuardError {
  const table = [model.schema ?? DEFAULT_SCHEMA, model.table].map((name) => identifier(name)).join('.');
  return new GuardError(`pgkeep: ${operation} of ${table} is refused: ${REFUSALS[why]}`, code, { hint });
}
