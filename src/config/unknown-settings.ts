import { distance } from 'fastest-levenshtein';
import type { Environment } from './read-settings.js';
import { namesOf } from './setting.js';
import { DECLARATIONS, SETTING_NAMES } from './settings-list.js';

/** The beginnings of names that look like a setting. */
const FAMILIES = [
  ...new Set(
    DECLARATIONS.flatMap((declared) =>
      namesOf(declared).map((name) =>
        name === declared.name ? (declared.family ?? firstWordOf(name)) : firstWordOf(name),
      ),
    ),
  ),
].filter((family) => family !== '');

/**
 * Returns one warning for each variable that looks like a setting but is none: its name, and the nearest setting if
 * one is near. Values are not shown.
 */
export function unknownSettings(environment: Environment): string[] {
  return Object.keys(environment)
    .filter((name) => environment[name] !== undefined && FAMILIES.some((family) => name.startsWith(family)))
    .filter((name) => !SETTING_NAMES.some((known) => name === known || name === `${known}_FILE`))
    .toSorted()
    .map((name) => {
      const nearest = nearestName(name);
      const hint = nearest ? `did you mean ${nearest}?` : 'this version has no setting of that name.';
      return `${name} is not a setting of pgkeep and is ignored: ${hint}`;
    });
}

/** Returns the first word of a name with its underscore. */
function firstWordOf(name: string): string {
  return /^[A-Z]+_/.exec(name)?.[0] ?? '';
}

function nearestName(name: string): string | undefined {
  const ranked = SETTING_NAMES.map((known) => ({ known, edits: distance(name, known) })).toSorted(
    (left, right) => left.edits - right.edits,
  );
  const best = ranked[0];
  // With more than a third of the letters wrong it is another name, not a misspelling.
  return best && best.edits <= Math.max(2, Math.floor(name.length / 3)) ? best.known : undefined;
}
