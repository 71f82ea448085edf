import { isDeepStrictEqual } from 'node:util';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { ruleText, tablesOf, unusableBecause, type TableInPolicy } from './judge-policy.js';
import { hasTriggers, triggersOf, triggerSql, type PolicyTrigger, type TableRule } from './plan-policy.js';
import { areCurrent, installFunctions } from './policy-functions.js';
import type { GuardedRelation, PolicyState, PolicyTable } from './read-policy-state.js';

/** What is done to one table, in one transaction. */
export interface TableStep {
  /** Quoted where SQL needs it. */
  readonly name: string;
  /** In words; null where a record of a table that is gone is removed. */
  readonly rule: string | null;
  /** The rule that was applied before, in words; null if there was none. */
  readonly before: string | null;
  /** Whether INSERT is refused from now on. */
  readonly seals: boolean;
  readonly statements: readonly string[];
}

/** A table whose rule cannot be applied, or was not, and why. */
export interface PassedOver {
  readonly name: string;
  readonly why: string;
}

/** What `policy apply` does: reviewed first, then executed as it is. */
export interface ApplyPlan {
  /** The statements that install the functions, or replace older ones; empty if they are current. */
  readonly functions: readonly string[];
  readonly tables: readonly TableStep[];
  /** Tables whose rule cannot be applied as the database is. */
  readonly passedOver: readonly PassedOver[];
  /** Read-only tables that have no rows yet: INSERT is allowed until the next apply. */
  readonly open: readonly string[];
  /** Tables whose rule is no longer declared, and still enforced. */
  readonly notDeclared: readonly string[];
  /** The number of tables whose declared rule is in force already. */
  readonly inForce: number;
}

/**
 * Plans what makes the database enforce the declared rules; empty if it does. Pure.
 * @param filled names of the read-only tables that have rows now
 */
export function planApply(
  declared: readonly TableRule[],
  state: PolicyState,
  filled: ReadonlySet<string>,
): ApplyPlan {
  const tables = tablesOf(declared, state);
  const steps: TableStep[] = [];
  const passedOver: PassedOver[] = [];
  for (const table of tables) {
    const why = passedOverBecause(table);
    if (why === undefined) steps.push(...stepOf(table, filled));
    else passedOver.push({ name: table.name, why });
  }
  const needsFunctions = declared.some((rule) => hasTriggers(rule));
  return {
    functions: needsFunctions && !areCurrent(state.functions?.digest ?? null) ? installFunctions() : [],
    tables: steps,
    passedOver,
    open: seedOnlyTables(declared, state).filter((name) => !filled.has(name)),
    inForce: declared.length - passedOver.length - steps.filter(({ rule }) => rule !== null).length,
    notDeclared: tables.flatMap(({ name, rule, found }) => (rule || !found ? [] : [name])),
  };
}

/** Returns the read-only tables that are not sealed: whether they have rows decides. Pure. */
export function seedOnlyTables(declared: readonly TableRule[], state: PolicyState): string[] {
  return tablesOf(declared, state).flatMap(({ name, rule, found, wasSealed }) =>
    rule?.isSeedOnly === true && found?.isTable === true && !wasSealed ? [name] : [],
  );
}

function passedOverBecause({ rule, found }: TableInPolicy): string | undefined {
  if (!rule) return undefined;
  const unusable = unusableBecause(rule, found);
  if (unusable !== undefined) return unusable;
  return found?.isOwn === false ? `belongs to role "${found.owner}"` : undefined;
}

function stepOf(table: TableInPolicy, filled: ReadonlySet<string>): TableStep[] {
  const { name, rule, applied, found, wasSealed } = table;
  const before = applied ? ruleText(applied) : null;
  if (!rule) {
    return found ? [] : [{ name, rule: null, before, seals: false, statements: [forgetStatement(table)] }];
  }
  if (!found) return [];
  const seals = rule.isSeedOnly && !wasSealed && filled.has(name);
  const isClosed = rule.isSeedOnly && (wasSealed || seals);
  const wanted = triggersOf(rule, { isSealed: isClosed, isPartitioned: found.isPartitioned });
  const changes = found.relations.flatMap((relation, index) => changesOf(wanted, relation, index === 0));
  const isRecorded = applied && isDeepStrictEqual(applied, rule) && table.isSealed === isClosed;
  if (changes.length === 0 && isRecorded) return [];
  const statements = [...changes, recordStatement(rule, isClosed)];
  return [{ name, rule: ruleText(rule), before, seals, statements }];
}

/** Returns the statements that remove the triggers of a table and its recorded rule. Pure. */
export function removalOf({ schema, table, found }: PolicyTable): string[] {
  const relations = found?.relations ?? [];
  return [
    ...relations.flatMap((relation) => changesOf([], relation, false)),
    forgetStatement({ schema, table }),
  ];
}

function forgetStatement({ schema, table }: Pick<PolicyTable, 'schema' | 'table'>): string {
  return `DELETE FROM pgkeep.table_policy WHERE schema_name = ${escapeLiteral(schema)} AND table_name = ${escapeLiteral(table)};`;
}

/** Returns the statements that give a table, or a part of it, the triggers that it should have. */
function changesOf(
  wanted: readonly PolicyTrigger[],
  { name: table, isPartition, triggers }: GuardedRelation,
  isWhole: boolean,
): string[] {
  const extra = triggers.filter(
    ({ name, isClone }) => !isClone && !wanted.some((trigger) => trigger.name === name),
  );
  return [
    ...extra.map(({ name }) => `DROP TRIGGER ${escapeIdentifier(name)} ON ${table};`),
    ...wanted.flatMap((trigger) => {
      const found = triggers.find(({ name }) => name === trigger.name);
      if (found && (found.isClone || found.signature === trigger.signature)) {
        return found.enabled === 'A' ? [] : triggerSql(trigger, table).slice(1);
      }
      // PostgreSQL creates it together with that of the partitioned table.
      return trigger.isCloned && isPartition && !isWhole ? [] : triggerSql(trigger, table);
    }),
  ];
}

function recordStatement(rule: TableRule, isClosed: boolean): string {
  const values = [rule.schema, rule.table, rule.model, JSON.stringify(rule)].map((value) =>
    escapeLiteral(value),
  );
  return `INSERT INTO pgkeep.table_policy AS p (schema_name, table_name, model, rule, sealed_at)
VALUES (${values.join(', ')}, ${isClosed ? 'clock_timestamp()' : 'NULL'})
    ON CONFLICT (schema_name, table_name) DO UPDATE SET model = excluded.model, rule = excluded.rule,
       sealed_at = CASE WHEN excluded.sealed_at IS NULL THEN NULL ELSE coalesce(p.sealed_at, excluded.sealed_at) END,
       applied_at = DEFAULT, applied_by = DEFAULT;`;
}
