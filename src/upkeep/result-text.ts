import type { JsonObject } from '../jobs/jobs.types.js';

/** What came of a run, in a few words: the backup's name, or each fact, lists by their length. */
export function resultText(result: JsonObject | null | undefined): string {
  if (!result) return '';
  if (typeof result['name'] === 'string') return result['name'];
  return Object.entries(result)
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.length : String(value)}`)
    .join(', ');
}
