import { isAbsent, isArgs, isCondition, itemsOf, mapItems, type Args } from './args.js';
import type { GuardedModel, GuardedRelation } from './guarded-models.js';

const LOGIC: ReadonlySet<string> = new Set(['AND', 'OR', 'NOT']);

/** Checks whether a filter says something about the mark at its own level: then it decides which rows are visible. */
export function mentionsMark(where: unknown, at: string): boolean {
  if (!isArgs(where)) return false;
  if (isCondition(where[at])) return true;
  for (const key of LOGIC) {
    if (where[key] !== undefined && itemsOf(where[key]).some((part) => mentionsMark(part, at))) return true;
  }
  return false;
}

/** Returns a filter that also leaves out rows that are marked as deleted. */
export function visibleWhere(model: GuardedModel, where: unknown): unknown {
  // Prisma rejects what is no filter.
  if (where !== undefined && !isArgs(where)) return where;
  const filter = where && withVisibleRelations(model, where);
  const { mark } = model;
  return !mark || mentionsMark(where, mark.at) ? filter : { ...filter, [mark.at]: null };
}

/**
 * Returns the filter of the rows that a list of arguments reads. A page behind a cursor skips the row of the cursor, which
 * may be hidden by now: it is read as well, or a visible row would be skipped instead of it.
 */
export function visiblePage(model: GuardedModel, { where, cursor, skip }: Args): unknown {
  const { mark } = model;
  if (!mark || !isArgs(cursor) || typeof skip !== 'number' || skip < 1 || mentionsMark(where, mark.at)) {
    return visibleWhere(model, where);
  }
  const filter = visibleRelations(model, isAbsent(where) ? {} : where);
  if (!isArgs(filter)) return filter;
  const { AND: and } = filter;
  const isVisible = { OR: [{ [mark.at]: null }, flatKey(model, cursor)] };
  return { ...filter, AND: [...(isAbsent(and) ? [] : itemsOf(and)), isVisible] };
}

/** Returns a unique key as an ordinary filter: a key of several fields has its values one level deeper. */
export function flatKey({ rules }: GuardedModel, key: Args): Args {
  const fields = new Set(rules.model.fields.map(({ name }) => name));
  return Object.fromEntries(
    Object.entries(key).flatMap(([name, value]) =>
      isArgs(value) && !fields.has(name) && !LOGIC.has(name) ? Object.entries(value) : [[name, value]],
    ),
  );
}

/** Returns a filter whose relations see only visible rows. Nothing is added for the rows of the model itself. */
export function visibleRelations(model: GuardedModel, where: unknown): unknown {
  return isArgs(where) ? withVisibleRelations(model, where) : where;
}

function withVisibleRelations(model: GuardedModel, where: Args): Args {
  if (!model.reachesMark) return where;
  const keys = Object.keys(where);
  if (!keys.some((key) => LOGIC.has(key) || model.relations.has(key))) return where;
  const filter: Record<string, unknown> = {};
  const more: Args[] = [];
  for (const key of keys) {
    const value = where[key];
    const relation = model.relations.get(key);
    if (isAbsent(value)) filter[key] = value;
    else if (LOGIC.has(key)) filter[key] = mapItems(value, (part) => visibleRelations(model, part));
    else if (!relation) filter[key] = value;
    else if (relation.isList) filter[key] = listFilter(relation, value);
    else {
      const one = oneFilter(relation, value, more);
      if (one !== undefined) filter[key] = one;
    }
  }
  if (more.length > 0) filter['AND'] = [...(isAbsent(filter['AND']) ? [] : itemsOf(filter['AND'])), ...more];
  return filter;
}

function listFilter({ target }: GuardedRelation, value: unknown): unknown {
  if (!isArgs(value)) return value;
  const { mark } = target;
  return Object.fromEntries(
    Object.entries(value).map(([quantifier, where]) => {
      if (isAbsent(where)) return [quantifier, where];
      const isEvery = quantifier === 'every' && mark && !mentionsMark(where, mark.at);
      return [
        quantifier,
        isEvery
          ? { OR: [{ [mark.at]: { not: null } }, visibleRelations(target, where)] }
          : visibleWhere(target, where),
      ];
    }),
  );
}

/**
 * Returns the filter on a relation to one row. A required row is never hidden from the rows that belong to it; a hidden
 * optional one counts as none, for which conditions are added to `more`.
 */
function oneFilter(relation: GuardedRelation, value: unknown, more: Args[]): unknown {
  const { name, target, isOptional } = relation;
  const mark = isOptional ? target.mark : undefined;
  const noneVisible = (at: string): Args => ({
    OR: [{ [name]: null }, { [name]: { [at]: { not: null } } }],
  });
  if (value === null) {
    if (!mark) return null;
    more.push(noneVisible(mark.at));
    return undefined;
  }
  if (!isArgs(value)) return value;
  const narrowed = (where: unknown): unknown =>
    isOptional ? visibleWhere(target, where) : visibleRelations(target, where);
  if (!('is' in value || 'isNot' in value)) return narrowed(value);
  const filter: Record<string, unknown> = {};
  for (const [key, where] of Object.entries(value)) {
    if (isAbsent(where)) continue;
    if (where !== null) filter[key] = narrowed(where);
    else if (!mark) filter[key] = null;
    else more.push(key === 'is' ? noneVisible(mark.at) : { [name]: { is: { [mark.at]: null } } });
  }
  return Object.keys(filter).length > 0 ? filter : undefined;
}

/** Returns arguments whose `select` and `include` leave out marked rows of lists and of optional relations. */
export function visiblePicks(model: GuardedModel, args: Args): Args {
  if (!model.reachesMark) return args;
  const { include, select } = args;
  if (!isArgs(include) && !isArgs(select)) return args;
  return {
    ...args,
    ...(isArgs(include) && { include: picksOf(model, include) }),
    ...(isArgs(select) && { select: picksOf(model, select) }),
  };
}

function picksOf(model: GuardedModel, picks: Args): Args {
  const visible: Record<string, unknown> = {};
  for (const [key, pick] of Object.entries(picks)) {
    const relation = model.relations.get(key);
    if (key === '_count') visible[key] = countsOf(model, pick);
    else if (relation && isPicked(pick)) visible[key] = pickOf(relation, pick);
    else visible[key] = pick;
  }
  return visible;
}

function isPicked(pick: unknown): boolean {
  return Boolean(pick) && !isAbsent(pick);
}

function pickOf({ target, isList, isOptional }: GuardedRelation, pick: unknown): unknown {
  const args = isArgs(pick) ? visiblePicks(target, pick) : undefined;
  if (!isList && !isOptional) return args ?? pick;
  const where = visiblePage(target, args ?? {});
  return where === undefined ? (args ?? pick) : { ...args, where };
}

/** `_count: true` counts every list. */
function countsOf({ relations }: GuardedModel, counts: unknown): unknown {
  if (!isPicked(counts)) return counts;
  const lists = [...relations.values()].filter(({ isList }) => isList);
  if (!lists.some(({ target }) => target.reachesMark)) return counts;
  const picks: unknown = isArgs(counts)
    ? counts['select']
    : Object.fromEntries(lists.map(({ name }) => [name, true]));
  if (!isArgs(picks)) return counts;
  return {
    select: Object.fromEntries(
      Object.entries(picks).map(([key, pick]) => {
        const relation = relations.get(key);
        return [key, relation && isPicked(pick) ? pickOf(relation, pick) : pick];
      }),
    ),
  };
}
