import { closest, distance } from 'fastest-levenshtein';
import { PgkeepError } from '../core/errors.js';
import type { Field, Model } from '../prisma-schema/prisma-schema.types.js';
import type { DeleteRule, ModelRules, Rules } from '../prisma-schema/rules.js';

/** What PostgreSQL does with the rows that refer to a deleted row. */
export type OnDelete = 'Cascade' | 'Restrict' | 'NoAction' | 'SetNull' | 'SetDefault';

/** A foreign key: rows of `child` refer to rows of `parent`. */
export interface Edge {
  readonly child: ModelRules;
  readonly parent: ModelRules;
  /** The relation field, on the side that has the foreign key. */
  readonly field: Field;
  readonly onDelete: OnDelete;
  /** Whether a row belongs to the row that it refers to. */
  readonly isOwner: boolean;
  /** The columns of the foreign key, and those that they refer to. */
  readonly columns: readonly { readonly child: string; readonly parent: string }[];
}

/** Returns whether an edge is followed from the parent to the child. */
export type Follow = (edge: Edge) => boolean;

/** Follows ownership to the end: everything about a person, also what is kept, and people in her care. */
export const owned: Follow = ({ isOwner }) => isOwner;

/** Follows ownership up to the next person, and up to rows that are kept by law: what one person may dispose of. */
export const own: Follow = ({ isOwner, child }) =>
  isOwner && !child.isSubject && child.retained === undefined;

/** The same, up to rows that are never deleted. */
export const erasable: Follow = (edge) => own(edge) && isErasable(edge.child);

/** Follows `onDelete: Cascade` to models that can be marked as deleted. */
export const marked: Follow = ({ onDelete, child }) =>
  onDelete === 'Cascade' && child.deletedAt !== undefined;

/** The rules under which rows are deleted at all. */
const DELETED: ReadonlySet<DeleteRule> = new Set<DeleteRule>(['soft', 'free']);

/** Returns whether rows of the model can be erased: they are neither kept by law nor by a rule. */
export function isErasable({ deleteRule, retained }: ModelRules): boolean {
  return DELETED.has(deleteRule) && retained === undefined;
}

/** Who owns what: the models of a schema and their foreign keys. */
export class OwnerGraph {
  readonly edges: readonly Edge[];

  /** @param defaultSchema the PostgreSQL schema of models without `@@schema` */
  constructor(
    readonly rules: Rules,
    readonly defaultSchema: string,
  ) {
    this.edges = [...rules.models.values()].flatMap((child) => edgesOf(rules, child));
  }

  /** Returns a model by its name. @throws PgkeepError `USAGE_INVALID` with the nearest name. */
  model(name: string): ModelRules {
    const found = this.rules.models.get(name);
    if (found) return found;
    const names = [...this.rules.models.keys()];
    const nearest = names.length === 0 ? '' : closest(name, names);
    const isNear = nearest !== '' && distance(name.toLowerCase(), nearest.toLowerCase()) <= 3;
    throw new PgkeepError('USAGE_INVALID', `The Prisma schema has no model ${JSON.stringify(name)}.`, {
      hint: isNear ? `Did you mean ${nearest}?` : `It has ${names.join(', ')}.`,
    });
  }

  /** Returns the edges that lead down from a model, also those that lead back: the graph may have cycles. */
  down(root: string, follow: Follow): readonly Edge[] {
    return closure(this.edges.filter(follow), root, ({ parent, child }) => [parent, child]);
  }

  /** Returns the edges that lead up from a model to its owners. */
  up(root: string): readonly Edge[] {
    return closure(this.edges.filter(owned), root, ({ parent, child }) => [child, parent]);
  }
}

/** Returns the models of a graph: the root first, then in the order in which they are reached. */
export function modelsOf(root: ModelRules, edges: readonly Edge[]): ModelRules[] {
  return [...new Set([root, ...edges.map(({ child }) => child)])];
}

/** Returns the edges on a path to a model. */
export function edgesTo(model: string, edges: readonly Edge[]): readonly Edge[] {
  return closure(edges, model, ({ parent, child }) => [child, parent]);
}

function closure(
  edges: readonly Edge[],
  root: string,
  direction: (edge: Edge) => [from: ModelRules, to: ModelRules],
): Edge[] {
  const reached = new Set([root]);
  const taken = new Set<Edge>();
  for (let before = -1; before !== taken.size;) {
    before = taken.size;
    for (const edge of edges) {
      const [from, to] = direction(edge);
      if (!reached.has(from.model.name)) continue;
      taken.add(edge);
      reached.add(to.model.name);
    }
  }
  return [...taken];
}

function edgesOf(rules: Rules, child: ModelRules): Edge[] {
  return child.model.fields.flatMap((field) => {
    const parent = rules.models.get(field.type);
    if (!field.relation || !parent || field.relation.fields.length === 0) return [];
    const { fields, references, onDelete } = field.relation;
    const columns = fields.flatMap((name, index) => {
      const from = fieldOf(child.model, name);
      const to = fieldOf(parent.model, references[index] ?? '');
      return from && to ? [{ child: from.column, parent: to.column }] : [];
    });
    if (columns.length !== fields.length) return [];
    const isOwner = child.fields.get(field.name)?.isOwner === true;
    return [{ child, parent, field, columns, isOwner, onDelete: onDeleteOf(onDelete, field) }];
  });
}

/** Prisma's default depends on whether the relation is optional. */
function onDeleteOf(declared: string | undefined, { isOptional }: Field): OnDelete {
  switch (declared) {
    case 'Cascade':
    case 'Restrict':
    case 'NoAction':
    case 'SetNull':
    case 'SetDefault':
      return declared;
    default:
      return isOptional ? 'SetNull' : 'Restrict';
  }
}

/** Returns a field of a model by its name. */
export function fieldOf({ fields }: Model, name: string): Field | undefined {
  return fields.find((field) => field.name === name);
}
