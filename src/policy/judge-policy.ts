import { isDeepStrictEqual } from 'node:util';
import { boundedList, counted, countedList, pluralOf } from '../core/text.js';
import {
  columnsOf,
  INSERT_TRIGGER,
  hasTriggers,
  triggersOf,
  type PolicyTrigger,
  type TableRule,
} from './plan-policy.js';
import { areCurrent, FUNCTIONS_VERSION } from './policy-functions.js';
import type { FoundTable, GuardedRelation, PolicyState, PolicyTable } from './read-policy-state.js';

/** How what is declared, what was applied and what is in the database can differ. */
export type PolicyCode =
  | 'POLICY_MISSING'
  | 'POLICY_TRIGGER_OFF'
  | 'POLICY_OUTDATED'
  | 'POLICY_OPEN'
  | 'POLICY_TABLE_WITHOUT_RULE'
  | 'POLICY_OWNER_NULLABLE';

/** One difference. */
export interface PolicyDifference {
  readonly code: PolicyCode;
  /** In a few words, without the name of the table. */
  readonly text: string;
}

/** A table, its rule, and how the database differs from it. */
export interface JudgedTable {
  /** Quoted where SQL needs it. */
  readonly name: string;
  readonly model: string | null;
  /** The rule in words: `never deleted, corrections`. */
  readonly rule: string;
  readonly differences: readonly PolicyDifference[];
  /** Facts that are no difference. */
  readonly notes: readonly string[];
}

/** The policy of a database, table by table. */
export interface PolicyReport {
  /** Whether the Prisma schema was read; if not, the rules are those that were applied. */
  readonly isDeclared: boolean;
  /** Of the functions that all tables share. */
  readonly differences: readonly PolicyDifference[];
  readonly tables: readonly JudgedTable[];
}

/** A table with everything that is known of it. */
export interface TableInPolicy extends PolicyTable {
  readonly name: string;
  /** The declared rule. If no schema is known, the applied one. */
  readonly rule: TableRule | undefined;
  /** Whether it was sealed: recorded, or seen by the trigger, which a renamed table keeps. */
  readonly wasSealed: boolean;
}

/**
 * Compares the declared rules with the state of a database. Pure.
 * @param declared undefined where the Prisma schema is not known: then the applied rules are compared
 */
export function judgePolicy(declared: readonly TableRule[] | undefined, state: PolicyState): PolicyReport {
  const tables = tablesOf(declared, state);
  return {
    isDeclared: declared !== undefined,
    differences: [...installationDifferences(declared, state), ...functionDifferences(state)],
    tables: [
      ...tables.map((table) => judgeTable(table, declared !== undefined)),
      ...state.withoutRule.map((name) => ({
        name,
        model: null,
        rule: 'none',
        notes: [],
        differences: [
          { code: 'POLICY_TABLE_WITHOUT_RULE', text: 'has no rule, and every table needs one' } as const,
        ],
      })),
    ],
  };
}

/** Whether nothing differs. */
export function isInForce({ differences, tables }: PolicyReport): boolean {
  return differences.length === 0 && tables.every((table) => table.differences.length === 0);
}

/** Returns every table that has a rule, declared or applied: declared ones first, in the order of the schema. */
export function tablesOf(
  declared: readonly TableRule[] | undefined,
  { tables }: PolicyState,
): TableInPolicy[] {
  const keyOf = ({ schema, table }: { schema: string; table: string }) => JSON.stringify([schema, table]);
  const rules = new Map((declared ?? []).map((rule) => [keyOf(rule), rule]));
  const order = new Map([...rules.keys()].map((key, index) => [key, index]));
  return tables
    .map((table) => {
      const rule = declared ? rules.get(keyOf(table)) : table.applied;
      const own = table.found?.relations[0];
      return {
        ...table,
        name: own?.name ?? `${table.schema}.${table.table}`,
        rule,
        wasSealed: table.isSealed || own?.triggers.some(({ name }) => name === INSERT_TRIGGER) === true,
      };
    })
    .toSorted((left, right) => position(order, keyOf(left)) - position(order, keyOf(right)));
}

function position(order: ReadonlyMap<string, number>, key: string): number {
  return order.get(key) ?? order.size;
}

function installationDifferences(
  declared: readonly TableRule[] | undefined,
  { isInstalled }: PolicyState,
): PolicyDifference[] {
  if (isInstalled || declared === undefined || declared.length === 0) return [];
  const tables = counted(declared.length, 'table');
  const text = `the rules of ${tables} are declared, and none is enforced: run \`pgkeep install\`, then \`pgkeep policy apply\``;
  return [{ code: 'POLICY_MISSING', text }];
}

function functionDifferences({ functions }: PolicyState): PolicyDifference[] {
  if (!functions || functions.digest === null) return [];
  if (areCurrent(functions.digest)) return [];
  return [
    {
      code: 'POLICY_OUTDATED',
      text:
        functions.version === FUNCTIONS_VERSION
          ? 'the functions of schema pgkeep_policy were changed by hand: run `pgkeep policy apply`'
          : 'the functions of schema pgkeep_policy are of another version of pgkeep: run `pgkeep policy apply`',
    },
  ];
}

function judgeTable(table: TableInPolicy, isDeclared: boolean): JudgedTable {
  const { name, rule, applied } = table;
  const shown = rule ?? applied;
  return {
    name,
    model: shown?.model ?? null,
    rule: shown ? ruleText(shown) : 'unknown',
    differences: differencesOf(table, isDeclared),
    notes: notesOf(table),
  };
}

function differencesOf(table: TableInPolicy, isDeclared: boolean): PolicyDifference[] {
  const { rule, applied, found } = table;
  if (!rule) {
    if (!isDeclared)
      return [{ code: 'POLICY_OUTDATED', text: 'its rule was recorded by another version of pgkeep' }];
    return [
      {
        code: 'POLICY_OUTDATED',
        text: found
          ? 'no longer declared: still enforced until `pgkeep policy remove`'
          : 'no longer declared, and not in the database',
      },
    ];
  }
  const unusable = unusableBecause(rule, found);
  if (unusable !== undefined || !found)
    return [{ code: 'POLICY_MISSING', text: unusable ?? 'not in the database' }];
  const nullable = rule.owners.filter((column) => found.columns[column] === false);
  return [
    ...(applied
      ? triggerDifferences(applied, found, applied.isSeedOnly && table.isSealed)
      : notApplied(rule, found)),
    ...(applied && !isDeepStrictEqual(applied, rule)
      ? [{ code: 'POLICY_OUTDATED', text: 'its rule changed in the schema since it was applied' } as const]
      : []),
    ...(applied && rule.isSeedOnly && !table.isSealed && found.hadRows
      ? [
          {
            code: 'POLICY_OPEN',
            text: 'still takes new rows: it was empty when its rule was applied',
          } as const,
        ]
      : []),
    ...(nullable.length === 0
      ? []
      : [
          {
            code: 'POLICY_OWNER_NULLABLE',
            text: `its owner may be missing: ${countedList('column', nullable)} can be NULL`,
          } as const,
        ]),
  ];
}

function notApplied(rule: TableRule, { relations }: FoundTable): PolicyDifference[] {
  const isEnforced = (relations[0]?.triggers.length ?? 0) > 0;
  const isRecordOnly = !hasTriggers(rule);
  const text = isRecordOnly
    ? 'its rule is not recorded'
    : isEnforced
      ? 'its triggers are of a table that was renamed'
      : 'not applied: nothing is refused';
  return [{ code: 'POLICY_MISSING', text }];
}

/** Returns why a rule cannot be enforced on the table as it is. */
export function unusableBecause(rule: TableRule, found: FoundTable | undefined): string | undefined {
  if (!found) return 'not in the database';
  if (!found.isTable) return 'not a table: a rule needs one';
  const missing = columnsOf(rule).filter((column) => !Object.hasOwn(found.columns, column));
  return missing.length === 0
    ? undefined
    : `has no ${pluralOf(missing.length, 'column')} ${boundedList(missing)}`;
}

function triggerDifferences(
  rule: TableRule,
  { relations, isPartitioned }: FoundTable,
  isSealed: boolean,
): PolicyDifference[] {
  const wanted = triggersOf(rule, { isSealed, isPartitioned });
  const [own, ...parts] = relations;
  if (!own) return [];
  const ofParts = parts.filter((part) => faultsOf(wanted, part).length > 0 && !isNew(part));
  return [
    ...faultsOf(wanted, own),
    ...(ofParts.length === 0
      ? []
      : [
          {
            code: 'POLICY_TRIGGER_OFF',
            text: `not complete on ${boundedList(ofParts.map(({ name }) => name))}`,
          } as const,
        ]),
  ];
}

/** Whether it is a partition made since the rule was applied: PostgreSQL copied every trigger but that of TRUNCATE. */
function isNew({ isPartition, triggers }: GuardedRelation): boolean {
  return (
    isPartition &&
    !triggers.some(({ isClone }) => !isClone) &&
    triggers.every(({ enabled }) => enabled === 'A')
  );
}

function notesOf({ rule, wasSealed, found, applied }: TableInPolicy): string[] {
  if (!rule || !found) return [];
  const unguarded =
    applied && rule.delete !== 'free' ? found.relations.slice(1).filter((part) => isNew(part)) : [];
  return [
    ...(rule.isSeedOnly && !wasSealed && !found.hadRows
      ? ['open: empty when applied; seed it, then `pgkeep policy apply`']
      : []),
    ...(unguarded.length === 0
      ? []
      : [
          `TRUNCATE of the new ${countedList(
            'partition',
            unguarded.map(({ name }) => name),
          )} is not refused: \`pgkeep policy apply\``,
        ]),
  ];
}

function faultsOf(wanted: readonly PolicyTrigger[], { triggers }: GuardedRelation): PolicyDifference[] {
  const off = (text: string): PolicyDifference => ({ code: 'POLICY_TRIGGER_OFF', text });
  const extra = triggers.filter(({ name }) => !wanted.some((trigger) => trigger.name === name));
  return [
    ...wanted.flatMap(({ name, signature }): PolicyDifference[] => {
      const found = triggers.find((trigger) => trigger.name === name);
      if (!found) return [off(`trigger ${name} is missing`)];
      // A partition's copy follows the partitioned table's, and its condition has a cast.
      if (!found.isClone && found.signature !== signature) return [off(`trigger ${name} was changed`)];
      if (found.enabled === 'D') return [off(`trigger ${name} is off`)];
      return found.enabled === 'A' ? [] : [off(`trigger ${name} is not enabled ALWAYS`)];
    }),
    ...extra.map(({ name }) => ({ code: 'POLICY_OUTDATED', text: `trigger ${name} has no rule` }) as const),
  ];
}

const DELETE_TEXTS = {
  soft: 'soft delete',
  never: 'never deleted',
  append: 'append-only',
  read: 'read-only',
  free: undefined,
} as const;

/** Returns a rule in words: `read-only (corrections)`. */
export function ruleText({ delete: deleteRule, update, immutable, owners }: TableRule): string {
  const deletes = DELETE_TEXTS[deleteRule];
  const corrects = update === 'correct';
  const parts = [
    ...(deletes === undefined
      ? []
      : [corrects && deleteRule === 'read' ? `${deletes} (corrections)` : deletes]),
    ...(corrects && deleteRule !== 'read' ? ['corrections'] : []),
    ...(immutable.length === 0 ? [] : [`immutable ${boundedList(immutable)}`]),
  ];
  if (parts.length > 0) return parts.join(', ');
  return owners.length > 0 ? 'owner required' : 'deletable';
}
