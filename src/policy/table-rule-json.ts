import { DELETE_RULES } from '../prisma-schema/rules.js';
import { propertyOf } from '../core/errors.js';
import { UPDATE_RULES, type TableRule } from './plan-policy.js';

/**
 * Reads the rule that `pgkeep.table_policy` recorded. An earlier version recorded less: what is missing is read as "none",
 * so that the rule differs from the declared one and is applied again.
 * @returns undefined if it is no rule.
 */
export function readTableRule(json: unknown): TableRule | undefined {
  const text = (name: string): string | undefined => {
    const value = propertyOf(json, name);
    return typeof value === 'string' ? value : undefined;
  };
  const texts = (name: string): string[] => {
    const value = propertyOf(json, name);
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
  };
  const schema = text('schema');
  const table = text('table');
  const deleteRule = DELETE_RULES.find((rule) => rule === text('delete'));
  if (schema === undefined || table === undefined || deleteRule === undefined) return undefined;
  return {
    schema,
    table,
    model: text('model') ?? table,
    delete: deleteRule,
    update: UPDATE_RULES.find((rule) => rule === text('update')) ?? null,
    isSeedOnly: propertyOf(json, 'isSeedOnly') === true,
    key: texts('key'),
    personalKey: texts('personalKey'),
    mark: text('mark') ?? null,
    unexplained: texts('unexplained'),
    immutable: texts('immutable'),
    owners: texts('owners'),
    everyModel: propertyOf(json, 'everyModel') === true,
  };
}
