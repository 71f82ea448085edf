import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Externals } from '../config/prisma-project.js';
import { comparableDefinition } from '../postgres/catalogue/read-catalogue.js';
import type { StructureSection } from '../postgres/catalogue/structure-queries.js';
import type { DriftedObject } from './drift.types.js';

/** One row of `differencesQuery`. */
export interface DifferenceRow {
  readonly home: string;
  readonly object: string;
  readonly was: string | null;
  readonly is: string | null;
}

/** Definitions that are compared before other work of the process gets a turn. */
const AT_A_TIME = 200;

/** A function body, which PostgreSQL keeps as it was written. */
const WRITTEN_BODY = /^AS \$function/m;

/** Sections whose definitions contain queries. From version 16 on PostgreSQL qualifies a column only if it has to. */
const QUERIES: ReadonlySet<StructureSection> = new Set(['views', 'triggers']);
const QUALIFIER = /(?:[\p{L}\p{N}_$]+|"(?:[^"]|"")+")\s*\.\s*/gu;

/**
 * Returns the differences that are drift.
 * @param literally whether this server and database printed the recorded definitions: after a restore and on
 *   another version of PostgreSQL the same expression is printed with other casts and parentheses.
 */
export async function judgeDifferences(
  section: StructureSection,
  rows: readonly DifferenceRow[],
  literally: boolean,
): Promise<DriftedObject[]> {
  const drifted: DriftedObject[] = [];
  for (const [index, { home, object, was, is }] of rows.entries()) {
    if (index % AT_A_TIME === AT_A_TIME - 1) await nextTurn();
    if (was !== null && is !== null && !literally && comparable(section, was) === comparable(section, is))
      continue;
    const change = was === null ? 'added' : is === null ? 'missing' : 'changed';
    drifted.push({ section, home, object, change, was, is });
  }
  return drifted;
}

function comparable(section: StructureSection, definition: string): string {
  if (WRITTEN_BODY.test(definition)) return definition;
  const words = comparableDefinition(definition);
  return QUERIES.has(section) ? words.replaceAll(QUALIFIER, '') : words;
}

/** `public."Crate"`, `"a b"."c""d"`: a name of two parts as PostgreSQL quotes it. */
const PART = /"((?:[^"]|"")*)"|([^."]+)/g;

/** Leaves out objects of external tables and enums, which another team or program changes. Pure. */
export function withoutExternals(
  objects: readonly DriftedObject[],
  { tables, enums }: Externals,
): readonly DriftedObject[] {
  if (tables.length + enums.length === 0) return objects;
  const homes = new Set(tables);
  const types = new Set(enums);
  return objects.filter(({ home, object }) => {
    if (home !== '') return !homes.has(unquoted(home));
    return !(object.startsWith('enum ') && types.has(unquoted(object.slice('enum '.length))));
  });
}

function unquoted(name: string): string {
  return [...name.matchAll(PART)]
    .map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain)
    .join('.');
}

/** The names of a table or view itself. */
const ITSELF = new Set(['table', 'foreign table', 'view', 'materialized view']);

/** A difference as people count them: an added or removed table is one, with its columns and indexes as parts. */
export interface CountedDifference {
  readonly object: DriftedObject;
  readonly parts: readonly DriftedObject[];
}

/** Groups the parts of added and removed tables and views with them. Pure. */
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
 * Pairs removed with added objects that differ only in their names: of tables the columns are compared. A guess, for
 * people, made only if there is one candidate. Pure.
 * @returns the new names, by the removed object.
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

/** Returns names and types without defaults, which may name a sequence that was renamed too. */
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

/** Returns an action as a noun for people: `deploy`, `rollback`, `acceptance`. */
export function actionText(action: string): string {
  return action === 'accept' ? 'acceptance' : action;
}
