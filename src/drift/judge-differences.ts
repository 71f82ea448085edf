import { setImmediate as nextTurn } from 'node:timers/promises';
import { comparableDefinition } from '../postgres/catalogue/comparable-definition.js';
import type { StructureSection } from '../postgres/catalogue/structure.types.js';
import type { DriftedObject } from './drift.types.js';

/** One row of `differencesQuery`. */
export interface DifferenceRow {
  readonly home: string;
  readonly object: string;
  readonly was: string | null;
  readonly is: string | null;
}

/** So many definitions at a time: a probe must not wait for the others. */
const AT_A_TIME = 200;

/** A body that is kept as it was written: nothing that writes definitions anew touches it. */
const WRITTEN_BODY = /^AS \$function/m;

/** What holds whole queries: views, and the rules among the triggers. From version 16 on a column is told by its table only where it has to be. */
const QUERIES: ReadonlySet<StructureSection> = new Set(['views', 'triggers']);
const QUALIFIER = /(?:[\p{L}\p{N}_$]+|"(?:[^"]|"")+")\s*\.\s*/gu;

/**
 * What of the differences is drift.
 * @param byTheLetter whether this very server and database wrote the recorded definitions: after a restore and on
 *   another version of PostgreSQL the same expression is written with other casts and parentheses.
 */
export async function judgeDifferences(
  section: StructureSection,
  rows: readonly DifferenceRow[],
  byTheLetter: boolean,
): Promise<DriftedObject[]> {
  const drifted: DriftedObject[] = [];
  for (const [index, { home, object, was, is }] of rows.entries()) {
    if (index % AT_A_TIME === AT_A_TIME - 1) await nextTurn();
    if (was !== null && is !== null && !byTheLetter && comparable(section, was) === comparable(section, is))
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
