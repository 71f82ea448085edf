import { isAbsent, isArgs, itemsOf, mapItems, type Args } from './args.js';
import type { GuardedModel, GuardedRelation } from './guarded-models.js';
import { refuseDelete, refuseMove, refuseUpdate } from './refusals.js';
import { visibleRelations, visibleWhere } from './visible-rows.js';

/** What a write needs to know about its caller. */
export interface Writer {
  /** Returns the data that marks a row as deleted. */
  mark(model: GuardedModel): Args;
  /** Whether a reason for corrections was given. */
  readonly hasReason: boolean;
}

/**
 * Returns the data of a create. Nested writes connect and change visible rows only, and mark rows instead of deleting
 * them.
 * @throws GuardError `PK004`, `PK005`.
 */
export function createdData(model: GuardedModel, data: unknown, writer: Writer): unknown {
  if (!isArgs(data) || !(model.reachesMark || model.reachesRule)) return data;
  let guarded: Record<string, unknown> | undefined;
  for (const [key, value] of Object.entries(data)) {
    const relation = model.relations.get(key);
    if (!relation || !isArgs(value) || isAbsent(value)) continue;
    guarded ??= { ...data };
    guarded[key] = nestedWrites(relation, value, writer);
  }
  return guarded ?? data;
}

/**
 * Returns the data of an update, likewise.
 * @throws GuardError `PK004`, `PK005`.
 */
export function updatedData(model: GuardedModel, data: unknown, writer: Writer): unknown {
  refuseUpdate(model, data, writer.hasReason);
  return createdData(model, data, writer);
}

/** Nested writes that change the foreign key, of whichever model has it. */
const MOVES: ReadonlySet<string> = new Set(['connect', 'connectOrCreate', 'disconnect', 'set']);

function nestedWrites(relation: GuardedRelation, writes: Args, writer: Writer): Args {
  const { target, isList } = relation;
  const guarded: Record<string, unknown> = {};
  const marks: { update: Args[]; updateMany: Args[] } = { update: [], updateMany: [] };
  for (const [operation, value] of Object.entries(writes)) {
    if (isAbsent(value)) continue;
    const isMark = target.mark !== undefined && target.rules.deleteRule === 'soft';
    if (operation === 'delete' && isMark) marks.update.push(...nestedMarks(relation, value, writer));
    else if (operation === 'deleteMany' && isMark) {
      marks.updateMany.push(...nestedMarks(relation, value, writer));
    } else guarded[operation] = nestedWrite(relation, operation, value, writer);
  }
  for (const operation of ['update', 'updateMany'] as const) {
    const [first] = marks[operation];
    if (!first) continue;
    const already = isAbsent(guarded[operation]) ? [] : itemsOf(guarded[operation]);
    guarded[operation] = isList ? [...already, ...marks[operation]] : first;
  }
  return guarded;
}

/** Returns what marks the rows that a nested `delete` or `deleteMany` names; `delete: false` names none. */
function nestedMarks(relation: GuardedRelation, value: unknown, writer: Writer): Args[] {
  const { target } = relation;
  return itemsOf(value)
    .filter((where) => where !== false)
    .map((where) => ({
      where: visibleWhere(target, where === true ? {} : where),
      data: writer.mark(target),
    }));
}

function nestedWrite(relation: GuardedRelation, operation: string, value: unknown, writer: Writer): unknown {
  const { target } = relation;
  if (MOVES.has(operation) && relation.foreignKey.length === 0) refuseMove(relation, writer.hasReason);
  switch (operation) {
    case 'create':
      return mapItems(value, (data) => createdData(target, data, writer));
    // Also a required row: what is connected now must be visible now.
    case 'connect':
    case 'set':
      return mapItems(value, (where) => visibleWhere(target, where));
    case 'connectOrCreate':
      return mapItems(value, (item) =>
        changed(item, {
          where: (where) => visibleWhere(target, where),
          create: (data) => createdData(target, data, writer),
        }),
      );
    case 'update':
      return mapItems(value, (item) => nestedUpdate(relation, item, writer));
    case 'updateMany':
      return mapItems(value, (item) =>
        changed(item, {
          where: (where) => visible(relation, where ?? {}),
          data: (data) => updatedData(target, data, writer),
        }),
      );
    case 'upsert':
      return mapItems(value, (item) =>
        changed(item, {
          where: (where) => visible(relation, where),
          create: (data) => createdData(target, data, writer),
          update: (data) => updatedData(target, data, writer),
        }),
      );
    case 'delete':
    case 'deleteMany':
      if (value !== false) refuseDelete(target.rules);
      return mapItems(value, (where) => visible(relation, where));
    // createMany, disconnect: values only, or rows that are left alone.
    default:
      return value;
  }
}

/** Returns the filter of a nested write: a required row is not hidden. */
function visible({ target, isList, isOptional }: GuardedRelation, where: unknown): unknown {
  return isList || isOptional ? visibleWhere(target, where) : visibleRelations(target, where);
}

/** Changes properties of an item; those that come out as undefined are left out. */
function changed(item: unknown, changes: Readonly<Record<string, (value: unknown) => unknown>>): unknown {
  if (!isArgs(item)) return item;
  const result: Record<string, unknown> = { ...item };
  for (const [key, change] of Object.entries(changes)) {
    const value = change(item[key]);
    if (value !== undefined) result[key] = value;
  }
  return result;
}

/** A row of a list is named: `{ where, data }`. Of a single relation the data may stand alone. */
function nestedUpdate(relation: GuardedRelation, item: unknown, writer: Writer): unknown {
  const { target, isList } = relation;
  const isWrapped = isList || isWrappedUpdate(target, item);
  const { where, data } = isWrapped && isArgs(item) ? item : { where: undefined, data: item };
  const filter = visible(relation, where);
  const update = updatedData(target, data, writer);
  if (!isWrapped && filter === undefined) return update;
  return { ...(filter !== undefined && { where: filter }), data: update };
}

function isWrappedUpdate({ rules }: GuardedModel, item: unknown): boolean {
  if (!isArgs(item) || !isArgs(item['data'])) return false;
  if (!Object.keys(item).every((key) => key === 'where' || key === 'data')) return false;
  // A model may have a field of that name.
  const names = new Set(rules.model.fields.map(({ name }) => name));
  return !names.has('data') || Object.keys(item['data']).every((key) => names.has(key));
}
