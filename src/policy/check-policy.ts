import type { Field, Model, Place, PrismaSchema } from '../prisma-schema/prisma-schema.types.js';
import {
  hasRowRule,
  readRules,
  type DeleteRule,
  type ModelRules,
  type PersonalMethod,
  type Rules,
} from '../prisma-schema/rules.js';

/** A fault of the declared policy. */
export interface PolicyFinding extends Place {
  readonly text: string;
}

/** What `policy check` found. */
export interface PolicyCheck {
  /** The number of models with at least one rule. */
  readonly models: number;
  /** In the order of the schema. */
  readonly findings: readonly PolicyFinding[];
}

/** The types of a value that each method can replace; undefined if it replaces every type. */
const TYPES: Readonly<Record<PersonalMethod, readonly string[] | undefined>> = {
  email: ['String'],
  phone: ['String'],
  name: ['String'],
  text: ['String'],
  digits: ['String', 'Int', 'BigInt', 'Decimal'],
  year: ['DateTime'],
  secret: ['String', 'Bytes'],
  uuid: ['String'],
  url: ['String'],
  ip: ['String'],
  json: ['Json'],
  null: undefined,
  keep: undefined,
};

/** The shortest column in which each method's values stay unique. */
const SHORTEST: Readonly<Partial<Record<PersonalMethod, number>>> = { email: 38, uuid: 36, url: 38 };

/** The rules under which no row is ever deleted. */
const KEPT: ReadonlySet<DeleteRule> = new Set<DeleteRule>(['never', 'append', 'read']);

/** Checks the declared policy of a schema without a database. Pure. */
export function checkPolicy(schema: PrismaSchema): PolicyCheck {
  const { models, faults, everyModel } = readRules(schema);
  const owned = reachableFromSubjects(models);
  const findings: PolicyFinding[] = [...faults];
  for (const rules of models.values()) {
    findings.push(
      ...contradictions(rules),
      ...(everyModel && !hasRowRule(rules) ? [withoutRule(rules.model)] : []),
      ...ownerFindings(rules),
      ...personalFindings(rules, owned.has(rules.model.name)),
    );
  }
  const withRules = [...models.values()].filter(
    ({ deleteRule, isSubject, model }) =>
      deleteRule !== 'free' || isSubject || model.annotations.length + fieldAnnotations(model) > 0,
  );
  return { models: withRules.length, findings };
}

/** Returns the findings for which no rule is applied: one that is misread would protect nothing. Pure. */
export function obstacles({ models, faults }: Rules): PolicyFinding[] {
  return [...faults, ...[...models.values()].flatMap((rules) => contradictions(rules))];
}

function withoutRule(model: Model): PolicyFinding {
  return at(
    model,
    `model ${model.name}: no rule says what may happen to its rows, and the datasource wants one for every model (@pgkeep.everyModel). Add /// @pgkeep.neverDelete, or another rule; /// @pgkeep.deletable allows everything.`,
  );
}

function fieldAnnotations({ fields }: Model): number {
  return fields.reduce((sum, { annotations }) => sum + annotations.length, 0);
}

/** Returns the subjects, and the models whose owner path leads to one. */
function reachableFromSubjects(models: ReadonlyMap<string, ModelRules>): ReadonlySet<string> {
  const reached = new Set(
    [...models.values()].filter(({ isSubject }) => isSubject).map(({ model }) => model.name),
  );
  let before = -1;
  while (before !== reached.size) {
    before = reached.size;
    for (const { model, fields } of models.values()) {
      const isOwned = model.fields.some(
        (field) => fields.get(field.name)?.isOwner === true && reached.has(field.type),
      );
      if (isOwned) reached.add(model.name);
    }
  }
  return reached;
}

function contradictions({ model, deletedAt }: ModelRules): PolicyFinding[] {
  const names = new Set(model.annotations.map(({ name }) => name));
  const both = (one: string, other: string, text: string): PolicyFinding[] =>
    names.has(one) && names.has(other)
      ? [at(model, `model ${model.name}: @pgkeep.${one} and @pgkeep.${other} contradict each other: ${text}`)]
      : [];
  return [
    ...both('deletable', 'neverDelete', 'its rows can be deleted, or never.'),
    ...both('deletable', 'appendOnly', 'an append-only table keeps every row.'),
    ...both('deletable', 'readOnly', 'a read-only table keeps every row.'),
    ...both('appendOnly', 'corrections', 'a row of an append-only table is never changed.'),
    ...both('appendOnly', 'readOnly', 'rows are added, or not.'),
    ...(deletedAt && (names.has('appendOnly') || names.has('readOnly'))
      ? [
          at(
            deletedAt,
            `model ${model.name}: its rows never change, so they cannot be marked as deleted. Remove the field ${deletedAt.name}, or the rule.`,
          ),
        ]
      : []),
  ];
}

/** The owner of a row is required: seed 004. */
function ownerFindings({ model, fields, deleteRule }: ModelRules): PolicyFinding[] {
  const findings: PolicyFinding[] = [];
  for (const field of model.fields) {
    if (fields.get(field.name)?.isOwner !== true) continue;
    if (!field.relation || field.isList || field.relation.fields.length === 0) {
      findings.push(
        at(
          field,
          `field ${model.name}.${field.name}: @pgkeep.owner belongs to the relation field that has the foreign key (fields: […]).`,
        ),
      );
    } else if (field.isOptional) {
      findings.push(
        at(
          field,
          `field ${model.name}.${field.name}: an owner is required, and this relation is optional. Fill the rows without one, then make the relation required.`,
        ),
      );
    }
    if (field.relation?.onDelete === 'Cascade' && KEPT.has(deleteRule)) {
      findings.push(
        at(
          field,
          `field ${model.name}.${field.name}: rows of ${model.name} are never deleted, so deleting a ${field.type} that has some is refused. Write onDelete: Restrict, which says the same.`,
        ),
      );
    }
  }
  return findings;
}

function personalFindings({ model, fields }: ModelRules, isOwned: boolean): PolicyFinding[] {
  return model.fields.flatMap((field) => {
    const rules = fields.get(field.name);
    if (!rules || field.relation) return [];
    const subject = `field ${model.name}.${field.name}`;
    const { personal, isNotPersonal } = rules;
    if (personal !== undefined && isNotPersonal) {
      return [at(field, `${subject}: @pgkeep.personal and @pgkeep.notPersonal contradict each other.`)];
    }
    if (personal === undefined) {
      return isOwned && !isNotPersonal && mayBePersonal(model, field)
        ? [
            at(
              field,
              `${subject}: the row belongs to a person, and nothing says whether this value is personal. Add /// @pgkeep.personal(METHOD) or /// @pgkeep.notPersonal.`,
            ),
          ]
        : [];
    }
    if (model.id.includes(field.name) && personal !== 'keep') {
      return [
        at(
          field,
          `${subject}: a primary key cannot be replaced. Use a key that is not personal, or @pgkeep.personal(keep).`,
        ),
      ];
    }
    return personal === 'default' ? [] : methodFindings(field, subject, personal);
  });
}

function methodFindings(field: Field, subject: string, method: PersonalMethod): PolicyFinding[] {
  const types = TYPES[method];
  if (types && !types.includes(field.type)) {
    return [
      at(
        field,
        `${subject}: the method ${method} replaces a ${types.join(', ')}, and the field is a ${field.type}.`,
      ),
    ];
  }
  if (method === 'null' && !field.isOptional) {
    return [at(field, `${subject}: the method null needs an optional field.`)];
  }
  const length = Number(/^(?:VarChar|Char)\((\d+)\)$/.exec(field.nativeType ?? '')?.[1] ?? Infinity);
  const shortest = SHORTEST[method] ?? 0;
  return length < shortest
    ? [
        at(
          field,
          `${subject}: the method ${method} needs at least ${shortest} characters, and the column has ${length}.`,
        ),
      ]
    : [];
}

/** Free text, dates, addresses and documents may be personal; keys, numbers, flags and enums rarely are. */
function mayBePersonal({ id, fields }: Model, { name, type, isUpdatedAt, hasDefault }: Field): boolean {
  const isForeignKey = fields.some(({ relation }) => relation?.fields.includes(name));
  if (id.includes(name) || isForeignKey || isUpdatedAt) return false;
  if (['deletedAt', 'deletedBy'].includes(name)) return false;
  if (type === 'DateTime') return !hasDefault;
  return ['String', 'Json', 'Bytes'].includes(type);
}

function at({ path, line }: Place, text: string): PolicyFinding {
  return { path, line, text };
}
