import { planPolicy, type TableRule } from '../policy/plan-policy.js';
import type { Field, Model } from '../prisma-schema/prisma-schema.types.js';
import { readPrismaSchema } from '../prisma-schema/read-prisma-schema.js';
import { readRules, type ModelRules, type Rules } from '../prisma-schema/rules.js';

/** The fields that mark a row as deleted. */
export interface Mark {
  /** `deletedAt`. */
  readonly at: string;
  /** `deletedBy`, if the model has it. */
  readonly by: Field | undefined;
}

/** A relation field, as the arguments of a query use it. */
export interface GuardedRelation {
  readonly name: string;
  readonly source: GuardedModel;
  readonly target: GuardedModel;
  readonly isList: boolean;
  /** Whether a row may have none. The side without the foreign key always may. */
  readonly isOptional: boolean;
  /** The fields of the foreign key, on the side that has it; otherwise empty. */
  readonly foreignKey: readonly string[];
}

/** What the guard knows about a model. */
export interface GuardedModel {
  readonly name: string;
  readonly rules: ModelRules;
  /** What the database enforces, or would; undefined if the table has no rule. */
  readonly tableRule: TableRule | undefined;
  /** Undefined if its rows are not marked as deleted. */
  readonly mark: Mark | undefined;
  readonly relations: ReadonlyMap<string, GuardedRelation>;
  /** Whether rows that are marked can be reached from it, over any number of relations. */
  readonly reachesMark: boolean;
  /** Whether rows with any rule can be reached from it. */
  readonly reachesRule: boolean;
}

/** The models of a schema. */
export interface GuardedModels {
  readonly models: ReadonlyMap<string, GuardedModel>;
  readonly rules: Rules;
}

/** The PostgreSQL schema of models without `@@schema`, unless the connection names another one. */
export const DEFAULT_SCHEMA = 'public';

/** The field that holds who marked a row. */
const DELETED_BY = 'deletedBy';

/** Reads the text of a Prisma schema: its models with their rules, linked by their relations. */
export function readGuardedModels(schema: string): GuardedModels {
  const declared = readRules(readPrismaSchema([{ path: 'schema.prisma', text: schema }]));
  const { models: rules } = declared;
  const tableRules = new Map(planPolicy(declared, DEFAULT_SCHEMA).map((rule) => [rule.model, rule]));
  const reachesMark = reaching(rules, ({ deletedAt }) => deletedAt !== undefined);
  const reachesRule = reaching(rules, ({ model }) => tableRules.has(model.name));
  const links = new Map<string, Map<string, GuardedRelation>>();
  const models = new Map<string, GuardedModel>();
  for (const [name, rule] of rules) {
    const relations = new Map<string, GuardedRelation>();
    links.set(name, relations);
    models.set(name, {
      name,
      rules: rule,
      tableRule: tableRules.get(name),
      mark: markOf(rule),
      relations,
      reachesMark: reachesMark.has(name),
      reachesRule: reachesRule.has(name),
    });
  }
  for (const source of models.values()) {
    for (const { name, type, isList, isOptional, relation } of source.rules.model.fields) {
      const target = models.get(type);
      if (!relation || !target) continue;
      const { fields: foreignKey } = relation;
      links.get(source.name)?.set(name, { name, source, target, isList, isOptional, foreignKey });
    }
  }
  return { models, rules: declared };
}

/** Returns the name of the model's property in the client: `quizStep` for `QuizStep`. */
export function propertyOfModel(name: string): string {
  return `${name.slice(0, 1).toLowerCase()}${name.slice(1)}`;
}

function markOf({ model, deletedAt }: ModelRules): Mark | undefined {
  if (!deletedAt) return undefined;
  return { at: deletedAt.name, by: model.fields.find(({ name }) => name === DELETED_BY) };
}

/** Returns the models of a kind, and those from which relations lead to one. */
function reaching(
  rules: ReadonlyMap<string, ModelRules>,
  isOfKind: (rules: ModelRules) => boolean,
): ReadonlySet<string> {
  const reached = new Set([...rules.values()].filter(isOfKind).map(({ model }) => model.name));
  const leadsThere = ({ fields }: Model): boolean =>
    fields.some(({ relation, type }) => relation !== undefined && reached.has(type));
  let before = -1;
  while (before !== reached.size) {
    before = reached.size;
    for (const { model } of rules.values()) if (leadsThere(model)) reached.add(model.name);
  }
  return reached;
}
