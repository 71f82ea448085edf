import { isOneOf, isRecord } from './guards.js';

/** What the catalogue shows of a restore test's evidence. */
const isEvidence = isRecord<{ verdict: 'passed' | 'failed' }>({ verdict: isOneOf(['passed', 'failed']) });

/** The verdict of an evidence document; one that cannot be read proves nothing. */
export function parseVerdict(text: string): 'passed' | 'failed' {
  try {
    const parsed: unknown = JSON.parse(text);
    return isEvidence(parsed) ? parsed.verdict : 'failed';
  } catch {
    return 'failed';
  }
}
