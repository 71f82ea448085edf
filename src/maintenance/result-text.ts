import { isListOf, isText } from '../backup/guards.js';
import { withoutText } from '../backup/omission-texts.js';
import type { JsonObject } from '../jobs/jobs.types.js';

/** What came of a run, in a few words: the backup's name, its verdict, or each fact, lists by their length. */
export function resultText(result: JsonObject | null | undefined): string {
  if (!result) return '';
  const { name, backup, verdict, without } = result;
  const missing = withoutText(isListOf(isText)(without) ? without : []);
  if (typeof name === 'string') return `${name}${missing}`;
  if (typeof backup === 'string' && typeof verdict === 'string') return `${backup} ${verdict}${missing}`;
  return Object.entries(result)
    .map(([fact, value]) => `${fact} ${Array.isArray(value) ? value.length : String(value)}`)
    .join(', ');
}
