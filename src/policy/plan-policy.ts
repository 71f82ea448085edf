import { escapeIdentifier } from 'pg';
import { POLICY_TRIGGER_PREFIX } from '../postgres/catalogue/own-relations.js';
import type { Field, Model } from '../prisma-schema/prisma-schema.types.js';
import {
  isReplaced,
  hasRowRule,
  type DeleteRule,
  type ModelRules,
  type Rules,
} from '../prisma-schema/rules.js';
import { POLICY_SCHEMA } from './policy-texts.js';

/** What an UPDATE is subject to: a reason, or refused; `free` where only some columns never change. */
export const UPDATE_RULES = ['correct', 'append', 'read', 'free'] as const;
export type UpdateRule = (typeof UPDATE_RULES)[number];

/** The rule of a table, as `policy apply` enforces and records it. */
export interface TableRule {
  readonly schema: string;
  readonly table: string;
  /** The model that declares it. */
  readonly model: string;
  readonly delete: DeleteRule;
  /** Null if every UPDATE is allowed. */
  readonly update: UpdateRule | null;
  /** Whether INSERT is refused once the table has rows. */
  readonly isSeedOnly: boolean;
  /** Columns of the primary key, or of the first unique index if there is none. */
  readonly key: readonly string[];
  /** Those of the key that are personal themselves. */
  readonly personalKey: readonly string[];
  /** The column that marks a row as deleted. */
  readonly mark: string | null;
  /** Columns that change without a reason: `@updatedAt`, `deletedAt`, `deletedBy`. */
  readonly unexplained: readonly string[];
  /** Columns that never change. */
  readonly immutable: readonly string[];
  /** Columns of the foreign keys that lead to the owner: they must be NOT NULL. */
  readonly owners: readonly string[];
  /** Whether the policy wants a rule for every table: `@pgkeep.everyModel`. */
  readonly everyModel: boolean;
}

/** A trigger that enforces a rule on a table, or on a partition. */
export interface PolicyTrigger {
  readonly name: string;
  /** As CREATE TRIGGER has it, without the name and the table. */
  readonly definition: string;
  /** What the catalogue has of it: type, function, condition, columns, arguments in hexadecimal. */
  readonly signature: string;
  /** Whether PostgreSQL copies it from a partitioned table to the partitions: those FOR EACH ROW. */
  readonly isCloned: boolean;
}

/** Fields beside `@updatedAt` that a correction does not have to explain. */
const MARKS = new Set(['deletedAt', 'deletedBy']);

/**
 * Returns the rules of the tables that have any, in the order of the schema. Pure.
 * @param defaultSchema the PostgreSQL schema of models without `@@schema`
 */
export function planPolicy({ models, everyModel }: Rules, defaultSchema: string): TableRule[] {
  return [...models.values()].flatMap((rules) => {
    const rule = ruleOf(rules, defaultSchema, everyModel);
    const isStated = everyModel && hasRowRule(rules);
    return rule.delete === 'free' && rule.update === null && rule.owners.length === 0 && !isStated
      ? []
      : [rule];
  });
}

function ruleOf(rules: ModelRules, defaultSchema: string, everyModel: boolean): TableRule {
  const { model, deleteRule, fields } = rules;
  const columns = (wanted: (field: Field) => boolean) =>
    model.fields.filter((field) => wanted(field) && !field.relation).map(({ column }) => column);
  const key = keyOf(model);
  const owning = new Set(
    model.fields.flatMap((field) =>
      fields.get(field.name)?.isOwner === true ? (field.relation?.fields ?? []) : [],
    ),
  );
  const immutable = columns(({ name }) => fields.get(name)?.isImmutable === true);
  return {
    schema: model.schema ?? defaultSchema,
    table: model.table,
    model: model.name,
    delete: deleteRule,
    update: updateRuleOf(rules, immutable.length > 0),
    isSeedOnly: deleteRule === 'read',
    key: key.flatMap((name) => columns((field) => field.name === name)),
    personalKey: columns(({ name }) => key.includes(name) && isReplaced(fields.get(name))),
    mark: columns(({ name }) => name === rules.deletedAt?.name)[0] ?? null,
    unexplained: columns(({ name, isUpdatedAt }) => isUpdatedAt || MARKS.has(name)),
    immutable,
    owners: columns(({ name }) => owning.has(name)),
    everyModel,
  };
}

/**
 * Returns the names of the fields that identify a row: the primary key, or the unique index of required fields that Prisma
 * requires where there is none.
 */
export function keyOf({ id, uniques, fields }: Model): readonly string[] {
  if (id.length > 0) return id;
  const isRequired = (name: string) => fields.some((field) => field.name === name && !field.isOptional);
  return uniques.find((names) => names.every(isRequired)) ?? [];
}

function updateRuleOf(
  { deleteRule, takesCorrections }: ModelRules,
  hasImmutable: boolean,
): UpdateRule | null {
  if (takesCorrections) return 'correct';
  if (deleteRule === 'append' || deleteRule === 'read') return deleteRule;
  return hasImmutable ? 'free' : null;
}

/** Returns the columns that a rule needs in the table. */
export function columnsOf({ key, unexplained, immutable, owners, mark }: TableRule): string[] {
  return [...new Set([...key, ...(mark === null ? [] : [mark]), ...unexplained, ...immutable, ...owners])];
}

/** Returns the table's name as SQL. */
export function tableSql({ schema, table }: Pick<TableRule, 'schema' | 'table'>): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;
}

/** What the triggers of a rule depend on beside the rule. */
export interface TriggeredTable {
  /** Whether INSERT is refused as well: the table is seed-only, and has its rows. */
  readonly isSealed: boolean;
  /** Whether an UPDATE can move a row to another table: it is partitioned, or a partition. */
  readonly isPartitioned: boolean;
}

/** Returns the triggers that enforce a rule. Pure. */
export function triggersOf(rule: TableRule, { isSealed, isPartitioned }: TriggeredTable): PolicyTrigger[] {
  const key = [arrayOf(rule.key), arrayOf(rule.personalKey)];
  const update = [rule.update ?? '', ...key, arrayOf(rule.unexplained), arrayOf(rule.immutable)];
  return [
    ...(rule.delete === 'free'
      ? []
      : [
          trigger('delete', 'BEFORE DELETE', 'FOR EACH ROW', [rule.delete, ...key, rule.mark ?? '']),
          trigger('truncate', 'BEFORE TRUNCATE', 'FOR EACH STATEMENT', [rule.delete]),
        ]),
    ...(rule.update === null
      ? []
      : [
          // old.* depends on no column, so that a migration can drop one. The bytes are compared: some types call
          // different values equal.
          trigger('update', 'AFTER UPDATE', 'FOR EACH ROW WHEN ((old.* *<> new.*))', update),
        ]),
    // Where rows may not be deleted, none is moved either: a move is a DELETE for PostgreSQL.
    ...(rule.update !== null && rule.delete === 'free' && isPartitioned
      ? [trigger('move', 'BEFORE UPDATE OR DELETE', 'FOR EACH ROW', update)]
      : []),
    ...(isSealed ? [trigger('insert', 'AFTER INSERT', 'FOR EACH ROW', [])] : []),
  ];
}

/** Returns whether a rule takes triggers: one about the owner only does not. */
export function hasTriggers({ delete: deleteRule, update }: TableRule): boolean {
  return deleteRule !== 'free' || update !== null;
}

/** The trigger that seals a table. */
export const INSERT_TRIGGER = `${POLICY_TRIGGER_PREFIX}insert`;

/** `pg_trigger.tgtype` of each trigger: ROW 1, BEFORE 2, INSERT 4, DELETE 8, UPDATE 16, TRUNCATE 32. */
const TYPES = { delete: 11, truncate: 34, update: 17, insert: 5, move: 27 } as const;

function trigger(
  event: keyof typeof TYPES,
  when: string,
  scope: string,
  args: readonly string[],
): PolicyTrigger {
  const name = `${POLICY_TRIGGER_PREFIX}${event}`;
  const call = `${POLICY_SCHEMA}.on_${event}(${args.map((arg) => literal(arg)).join(', ')})`;
  const condition = scope.includes(' WHEN ') ? 'changed' : 'always';
  const hexadecimal = Buffer.from(args.map((arg) => `${arg}\0`).join('')).toString('hex');
  return {
    name,
    definition: `${when} ${scope} EXECUTE FUNCTION ${call}`,
    signature: `${TYPES[event]} on_${event} ${condition} [] ${hexadecimal}`,
    isCloned: scope.startsWith('FOR EACH ROW'),
  };
}

/** Returns the statements that create a trigger on a table, or replace it, enabled whatever session_replication_role is. */
export function triggerSql({ name, definition }: PolicyTrigger, table: string): string[] {
  const [when, scope] = splitAt(definition, definition.indexOf(' FOR EACH '));
  return [
    `CREATE OR REPLACE TRIGGER ${name} ${when} ON ${table}${scope};`,
    `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${name};`,
  ];
}

function splitAt(text: string, index: number): [string, string] {
  return [text.slice(0, index), text.slice(index)];
}

/** Returns a text as a literal: with standard_conforming_strings, which sessions set, a backslash is no escape. */
function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Returns names as the text of a PostgreSQL array. */
function arrayOf(names: readonly string[]): string {
  return `{${names.map((name) => `"${name.replaceAll(/["\\]/g, String.raw`\$&`)}"`).join(',')}}`;
}
