import type { Field, Model } from '../prisma-schema/prisma-schema.types.js';
import { readPrismaSchema } from '../prisma-schema/read-prisma-schema.js';
import { readRules, type ModelRules } from '../prisma-schema/rules.js';

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
  /** Undefined if its rows are not marked as deleted. */
  readonly mark: Mark | undefined;
  readonly relations: ReadonlyMap<string, GuardedRelation>;
  /** Whether rows that are marked can be reached from it, over any number of relations. */
  readonly reachesMark: boolean;
  /** Whether rows with any rule can be reached from it. */
  readonly reachesRule: boolean;
}

export type GuardedModels = ReadonlyMap<string, GuardedModel>;

/** The field that holds who marked a row. */
const DELETED_BY = 'deletedBy';

/** Reads the text of a Prisma schema: its models with their rules, linked by their relations. */
export function readGuardedModels(schema: string): GuardedModels {
  const { models: rules } = readRules(readPrismaSchema([{ path: 'schema.prisma', text: schema }]));
  const reachesMark = reaching(rules, ({ deletedAt }) => deletedAt !== undefined);
  const reachesRule = reaching(rules, hasRule);
  const links = new Map<string, Map<string, GuardedRelation>>();
  const models = new Map<string, GuardedModel>();
  for (const [name, rule] of rules) {
    const relations = new Map<string, GuardedRelation>();
    links.set(name, relations);
    models.set(name, {
      name,
      rules: rule,
      mark: markOf(rule),
      relations,
      reachesMark: reachesMark.has(name),
      reachesRule: reachesRule.has(name),
    });
  }
  for (const [name, relations] of links) {
    for (const field of rules.get(name)?.model.fields ?? []) {
      const target = models.get(field.type);
      if (!field.relation || !target) continue;
      const { name: relation, isList, isOptional } = field;
      relations.set(relation, { name: relation, target, isList, isOptional, foreignKey: field.relation.fields });
    }
  }
  return models;
}

/** Returns the name of the model's property in the client: `quizStep` for `QuizStep`. */
export function propertyOfModel(name: string): string {
  return `${name.slice(0, 1).toLowerCase()}${name.slice(1)}`;
}

function hasRule({ deleteRule, takesCorrections }: ModelRules): boolean {
  return deleteRule !== 'free' || takesCorrections;
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
