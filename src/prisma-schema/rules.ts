import { closest, distance } from 'fastest-levenshtein';
import type { Annotation, Field, Model, Place, PrismaSchema } from './prisma-schema.types.js';

/** How a personal value is replaced when a person is anonymized. */
export const PERSONAL_METHODS = [
  'email',
  'phone',
  'name',
  'text',
  'digits',
  'year',
  'secret',
  'uuid',
  'url',
  'ip',
  'json',
  'null',
  'keep',
] as const;
export type PersonalMethod = (typeof PERSONAL_METHODS)[number];

/** The annotations of models. */
const MODEL_RULES = [
  'deletable',
  'neverDelete',
  'appendOnly',
  'readOnly',
  'corrections',
  'subject',
  'retain',
];

/** The annotations of fields. */
const FIELD_RULES = ['personal', 'notPersonal', 'owner', 'immutable'];

/** The annotations of the datasource, which are about every model. */
const SCHEMA_RULES = ['everyModel'];

/** The field that makes a model one of soft deletion. */
const DELETED_AT = 'deletedAt';

/** What may be done with the rows of a table: the strictest declared rule. `soft` is the declaration of `deletedAt`. */
export const DELETE_RULES = ['soft', 'never', 'append', 'read', 'free'] as const;
export type DeleteRule = (typeof DELETE_RULES)[number];

/** The rules of a field. */
export interface FieldRules {
  /** Undefined if the value is not personal. */
  readonly personal: PersonalMethod | 'default' | undefined;
  /** Whether the field was declared as not personal. */
  readonly isNotPersonal: boolean;
  /** Whether the relation leads to the owner: declared, or by `onDelete: Cascade`. */
  readonly isOwner: boolean;
  readonly isImmutable: boolean;
}

/** Returns whether an anonymization replaces the value: it is personal, and does not stay. */
export function isReplaced(rules: FieldRules | undefined): boolean {
  return rules?.personal !== undefined && rules.personal !== 'keep';
}

/** The rules of a model. */
export interface ModelRules {
  readonly model: Model;
  readonly deleteRule: DeleteRule;
  /** The field `deletedAt`, if the model has one and does not opt out. */
  readonly deletedAt: Field | undefined;
  /** Whether an UPDATE takes a reason. */
  readonly takesCorrections: boolean;
  /** Whether its rows are people. */
  readonly isSubject: boolean;
  /** Why rows stay although the person asks for erasure. */
  readonly retained: string | undefined;
  readonly fields: ReadonlyMap<string, FieldRules>;
}

/** A fault of an annotation itself: a word that does not exist, or does not fit. */
export interface RuleFault extends Place {
  readonly text: string;
}

/** The declared rules of a schema. */
export interface Rules {
  readonly models: ReadonlyMap<string, ModelRules>;
  /** Whether every model needs a rule for its rows: `@pgkeep.everyModel` on the datasource. */
  readonly everyModel: boolean;
  readonly faults: readonly RuleFault[];
}

/** Reads the rules that a schema declares in its annotations (`/// @pgkeep.…`), and the faults of the annotations. */
export function readRules(schema: PrismaSchema): Rules {
  const models = [...schema.models.values()].map((model) => [model.name, rulesOf(model)] as const);
  const ofSchema = schema.annotations.flatMap((annotation) =>
    faultOf(annotation, { subject: 'datasource', kind: 'datasource' }),
  );
  return {
    models: new Map(models),
    everyModel: schema.annotations.some(({ name }) => name === 'everyModel'),
    faults: [...ofSchema, ...[...schema.models.values()].flatMap((model) => faultsOf(model))],
  };
}

/** Whether a model says what may happen to its rows; `@pgkeep.deletable` does. */
export function hasRowRule({ model, deleteRule, takesCorrections }: ModelRules): boolean {
  return (
    deleteRule !== 'free' || takesCorrections || model.annotations.some(({ name }) => name === 'deletable')
  );
}

function rulesOf(model: Model): ModelRules {
  const has = (name: string) => model.annotations.some((annotation) => annotation.name === name);
  const readOnly = model.annotations.find(({ name }) => name === 'readOnly');
  const deletedAt = has('deletable') ? undefined : model.fields.find(isDeletedAt);
  return {
    model,
    deleteRule: deleteRuleOf(has, deletedAt),
    deletedAt,
    takesCorrections: has('corrections') || readOnly?.args.includes('corrections') === true,
    isSubject: has('subject'),
    retained: model.annotations.find(({ name }) => name === 'retain')?.args[0],
    fields: new Map(model.fields.map((field) => [field.name, fieldRulesOf(field)])),
  };
}

function deleteRuleOf(has: (name: string) => boolean, deletedAt: Field | undefined): DeleteRule {
  if (has('readOnly')) return 'read';
  if (has('appendOnly')) return 'append';
  if (has('neverDelete')) return 'never';
  return deletedAt ? 'soft' : 'free';
}

function isDeletedAt({ name, type, isOptional, isList }: Field): boolean {
  return name === DELETED_AT && type === 'DateTime' && isOptional && !isList;
}

function fieldRulesOf({ annotations, relation }: Field): FieldRules {
  const has = (name: string) => annotations.some((annotation) => annotation.name === name);
  const personal = annotations.find(({ name }) => name === 'personal');
  return {
    personal: personal && (PERSONAL_METHODS.find((method) => method === personal.args[0]) ?? 'default'),
    isNotPersonal: has('notPersonal'),
    isOwner: has('owner') || (relation?.fields.length !== 0 && relation?.onDelete === 'Cascade'),
    isImmutable: has('immutable'),
  };
}

/** What can have annotations, and which. */
const RULES_OF = {
  model: MODEL_RULES,
  field: FIELD_RULES,
  datasource: SCHEMA_RULES,
} as const;

/** What an annotation stands on. */
interface Bearer {
  /** As messages name it: `field User.email`. */
  readonly subject: string;
  readonly kind: keyof typeof RULES_OF;
}

function faultsOf(model: Model): RuleFault[] {
  return [
    ...model.annotations.flatMap((annotation) =>
      faultOf(annotation, { subject: `model ${model.name}`, kind: 'model' }),
    ),
    ...model.fields.flatMap((field) =>
      field.annotations.flatMap((annotation) =>
        faultOf(annotation, { subject: `field ${model.name}.${field.name}`, kind: 'field' }),
      ),
    ),
  ];
}

function faultOf(annotation: Annotation, { subject, kind }: Bearer): RuleFault[] {
  const { name, args, path, line } = annotation;
  const fault = (text: string): RuleFault[] => [{ path, line, text: `${subject}: ${text}` }];
  const known: readonly string[] = RULES_OF[kind];
  if (!known.includes(name)) {
    const owner = Object.entries(RULES_OF).find(([, rules]) => rules.includes(name))?.[0];
    if (owner !== undefined) {
      return fault(`@pgkeep.${name} belongs to ${owner === 'datasource' ? 'the' : 'a'} ${owner}.`);
    }
    return fault(`@pgkeep.${name} is not a rule.${suggestion(name, known, '@pgkeep.')}`);
  }
  const [first] = args;
  if (name === 'retain' && args.length !== 1) {
    return fault(
      '@pgkeep.retain takes one text: the law or the reason, and how long. Example: @pgkeep.retain("medical record, 25 years").',
    );
  }
  if (name === 'readOnly' && args.some((arg) => arg !== 'corrections')) {
    return fault(`@pgkeep.readOnly takes nothing, or "corrections"; found "${args.join(', ')}".`);
  }
  if (name === 'personal' && (args.length > 1 || (first !== undefined && !isMethod(first)))) {
    return fault(
      `@pgkeep.personal takes one of ${PERSONAL_METHODS.join(', ')}, or nothing; found "${args.join(', ')}".${suggestion(first ?? '', PERSONAL_METHODS, '')}`,
    );
  }
  if (!['retain', 'readOnly', 'personal'].includes(name) && args.length > 0) {
    return fault(`@pgkeep.${name} takes no arguments; found "${args.join(', ')}".`);
  }
  return [];
}

function isMethod(text: string): boolean {
  return PERSONAL_METHODS.some((method) => method === text);
}

function suggestion(word: string, known: readonly string[], prefix: string): string {
  const nearest = closest(word, known);
  return distance(word, nearest) <= 3 ? ` Did you mean ${prefix}${nearest}?` : '';
}
