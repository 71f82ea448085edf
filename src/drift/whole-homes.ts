import type { DriftedObject } from './drift.types.js';

/** What stands for a table or view as a whole. */
const ITSELF = new Set(['table', 'foreign table', 'view', 'materialized view']);

/** A difference as people count them: a table that came or went is one, with its columns and indexes as parts. */
export interface CountedDifference {
  readonly object: DriftedObject;
  readonly parts: readonly DriftedObject[];
}

/** Puts the parts of tables and views that came or went as a whole with them. Pure. */
export function withParts(objects: readonly DriftedObject[]): CountedDifference[] {
  const wholes = new Map(objects.filter(isWhole).map((object) => [keyOf(object), object]));
  const isPart = (object: DriftedObject): boolean => wholes.has(keyOf(object)) && !isWhole(object);
  return objects
    .filter((object) => !isPart(object))
    .map((object) => ({
      object,
      parts: isWhole(object) ? objects.filter((one) => isPart(one) && keyOf(one) === keyOf(object)) : [],
    }));
}

/**
 * Pairs what went with what came and is the same but for its name: of a table the columns are compared. A guess, for
 * people; only where there is one candidate. Pure.
 * @returns the new names, by the object that went.
 */
export function findRenames(objects: readonly DriftedObject[]): ReadonlyMap<DriftedObject, string> {
  const counted = withParts(objects);
  const came = counted.filter(({ object }) => object.change === 'added');
  const renames = new Map<DriftedObject, string>();
  for (const gone of counted.filter(({ object }) => object.change === 'missing')) {
    const [first, ...others] = came.filter((one) => looksTheSame(gone, one));
    if (first && others.length === 0) {
      renames.set(gone.object, isWhole(first.object) ? first.object.home : first.object.object);
    }
  }
  return renames;
}

function looksTheSame(gone: CountedDifference, came: CountedDifference): boolean {
  const [left, right] = [gone.object, came.object];
  if (left.section !== right.section || kindOf(left) !== kindOf(right)) return false;
  if (!isWhole(left)) return left.home !== '' && left.home === right.home && left.was === right.is;
  const [before, after] = [columnsOf(gone), columnsOf(came)];
  return before.length > 0 && before.join('\n') === after.join('\n');
}

/** Names and types; a default may name a sequence that was renamed as well. */
function columnsOf({ parts }: CountedDifference): string[] {
  return parts
    .filter(({ section }) => section === 'columns')
    .map(({ object, was, is }) => `${object} ${(was ?? is ?? '').replace(/ DEFAULT .*/s, '')}`)
    .toSorted();
}

function kindOf({ object }: DriftedObject): string {
  return object.split(' ')[0] ?? object;
}

function isWhole({ home, object, change }: DriftedObject): boolean {
  return home !== '' && change !== 'changed' && ITSELF.has(object);
}

function keyOf({ home, change }: DriftedObject): string {
  return `${change} ${home}`;
}
