import { escapeIdentifier, escapeLiteral } from 'pg';
import type { Field } from '../prisma-schema/prisma-schema.types.js';
import type { DeleteRule, ModelRules, Rules } from '../prisma-schema/rules.js';
import { POLICY_SCHEMA } from './policy-texts.js';

/** What an UPDATE is subject to: a reason, or refused; `free` where only some columns never change. */
export type UpdateRule = 'correct' | 'append' | 'read' | 'free';

/** The rule of a table, as `policy apply` puts it on. */
export interface TableRule {
  readonly schema: string;
  readonly table: string;
  /** The model that declares it. */
  readonly model: string;
  readonly delete: DeleteRule;
  /** Undefined if every UPDATE is allowed. */
  readonly update: UpdateRule | undefined;
  /** Whether INSERT is refused once the table has rows. */
  readonly isSeedOnly: boolean;
  /** Columns of the primary key. */
  readonly key: readonly string[];
  /** Those of the key that are personal themselves. */
  readonly personalKey: readonly string[];
  /** Columns that change without a reason: `@updatedAt`, `deletedAt`, `deletedBy`. */
  readonly unexplained: readonly string[];
  /** Columns that never change. */
  readonly immutable: readonly string[];
}

/** A trigger of a table. */
export interface PolicyTrigger {
  readonly name: string;
  /** The statement that creates or replaces it. */
  readonly sql: string;
}

/** Fields beside `@updatedAt` that a correction does not have to explain. */
const MARKS = new Set(['deletedAt', 'deletedBy']);

/**
 * Returns the rules of the tables that have any, in the order of the schema. Pure.
 * @param defaultSchema the PostgreSQL schema of models without `@@schema`
 */
export function planPolicy({ models }: Rules, defaultSchema: string): TableRule[] {
  return [...models.values()].flatMap((rules) => {
    const rule = ruleOf(rules, defaultSchema);
    return rule.delete === 'free' && rule.update === undefined ? [] : [rule];
  });
}

function ruleOf(rules: ModelRules, defaultSchema: string): TableRule {
  const { model, deleteRule, fields } = rules;
  const columns = (wanted: (field: Field) => boolean) =>
    model.fields.filter(wanted).map(({ column }) => column);
  const isKey = ({ name }: Field) => model.id.includes(name);
  const immutable = columns(({ name }) => fields.get(name)?.isImmutable === true);
  return {
    schema: model.schema ?? defaultSchema,
    table: model.table,
    model: model.name,
    // A correction of reference data is allowed; a DELETE is not.
    delete: deleteRule,
    update: updateRuleOf(rules, immutable.length > 0),
    isSeedOnly: deleteRule === 'read',
    key: model.id.flatMap((name) => columns((field) => field.name === name)),
    personalKey: columns((field) => {
      const personal = fields.get(field.name)?.personal;
      return isKey(field) && personal !== undefined && personal !== 'keep';
    }),
    unexplained: columns(({ name, isUpdatedAt }) => isUpdatedAt || MARKS.has(name)),
    immutable,
  };
}

function updateRuleOf(
  { deleteRule, takesCorrections }: ModelRules,
  hasImmutable: boolean,
): UpdateRule | undefined {
  if (takesCorrections) return 'correct';
  if (deleteRule === 'append' || deleteRule === 'read') return deleteRule;
  return hasImmutable ? 'free' : undefined;
}

/** Returns the table's name as SQL. */
export function tableSql({ schema, table }: Pick<TableRule, 'schema' | 'table'>): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;
}

/**
 * Returns the triggers that enforce a rule. Pure.
 * @param isSealed whether INSERT is refused as well: the table is seed-only, and has its rows
 */
export function triggersOf(rule: TableRule, isSealed: boolean): PolicyTrigger[] {
  const key = [arrayOf(rule.key), arrayOf(rule.personalKey)];
  return [
    ...(rule.delete === 'free'
      ? []
      : [
          trigger(rule, 'delete', 'BEFORE DELETE', 'FOR EACH ROW', [rule.delete, ...key]),
          trigger(rule, 'truncate', 'BEFORE TRUNCATE', 'FOR EACH STATEMENT', [rule.delete]),
        ]),
    ...(rule.update === undefined
      ? []
      : [
          // OLD.* depends on no column, so that a migration can drop one.
          trigger(rule, 'update', 'AFTER UPDATE', 'FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)', [
            rule.update,
            ...key,
            arrayOf(rule.unexplained),
            arrayOf(rule.immutable),
          ]),
        ]),
    ...(isSealed ? [trigger(rule, 'insert', 'AFTER INSERT', 'FOR EACH ROW', [])] : []),
  ];
}

/** The prefix of every trigger's name. */
export const POLICY_TRIGGER_PREFIX = 'pgkeep_policy_';

function trigger(
  rule: TableRule,
  event: string,
  when: string,
  scope: string,
  args: readonly string[],
): PolicyTrigger {
  const name = `${POLICY_TRIGGER_PREFIX}${event}`;
  const call = `${POLICY_SCHEMA}.on_${event}(${args.map((arg) => escapeLiteral(arg)).join(', ')})`;
  return {
    name,
    sql: `CREATE OR REPLACE TRIGGER ${name} ${when} ON ${tableSql(rule)} ${scope} EXECUTE FUNCTION ${call};
ALTER TABLE ${tableSql(rule)} ENABLE ALWAYS TRIGGER ${name};`,
  };
}

/** Returns names as the text of a PostgreSQL array. */
function arrayOf(names: readonly string[]): string {
  return `{${names.map((name) => `"${name.replaceAll(/["\\]/g, String.raw`\$&`)}"`).join(',')}}`;
}
