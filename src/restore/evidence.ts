import { createHash } from 'node:crypto';
import type { Evidence } from './restore.types.js';

/** What stands for the hash of the evidence before the first. */
export const NO_HASH = '0'.repeat(64);

/**
 * sha256 of a JSON value written with sorted keys and no blanks. Anybody can recompute it: `jq -cSj` writes JSON
 * the same way.
 */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** @returns the evidence as it is kept, and its hash. */
export function sealed(evidence: Evidence): Evidence & { readonly hash: string } {
  return { ...evidence, hash: hashOf(evidence) };
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}

/** SQL of what a kept evidence says that the backup did not hold, as `text[]`; empty in evidence of earlier versions. */
export const WITHOUT_OF_EVIDENCE = `ARRAY(
  SELECT pg_catalog.jsonb_array_elements_text(
           CASE pg_catalog.jsonb_typeof(evidence->'without') WHEN 'array' THEN evidence->'without' ELSE '[]' END))`;
