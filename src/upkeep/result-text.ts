import type { JsonObject } from '../jobs/jobs.types.js';

/** What came of a run, in a few words: the backup and the verdict on it; else each fact, lists by their length. */
export function resultText(result: JsonObject | null | undefined): string {
  if (!result) return '';
  const { name, backup, verdict } = result;
  if (typeof name === 'string') return name;
  if (typeof backup === 'string' && typeof verdict === 'string') return `${backup} ${verdict}`;
  return Object.entries(result)
    .map(([fact, value]) => `${fact} ${Array.isArray(value) ? value.length : String(value)}`)
    .join(', ');
}
