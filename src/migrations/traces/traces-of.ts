import type { ParsedFile } from '../lint/parse-files.js';
import type { Trace } from './traces.types.js';
import { tracesOfStatement } from './statement-traces.js';

/**
 * What a migration that was applied leaves to be seen. What it makes and removes, or removes and makes anew, says
 * nothing: it looks the same before and after. Pure.
 */
export function tracesOf({ flat }: ParsedFile, defaultSchema: string): Trace[] {
  const traces = new Map<string, Trace>();
  const ambiguous = new Set<string>();
  for (const { node } of flat) {
    for (const trace of tracesOfStatement(node, defaultSchema)) {
      const key = traceName(trace);
      if (traces.has(key) && traces.get(key)?.isMade !== trace.isMade) ambiguous.add(key);
      traces.set(key, trace);
    }
  }
  return [...traces.values()].filter((trace) => {
    if (ambiguous.has(traceName(trace))) return false;
    if (trace.of === undefined || trace.kind === 'enum value') return true;
    // Parts of a table that goes, or that is another one by now.
    const table = { ...trace, kind: 'table', name: trace.of, of: undefined } as const;
    return !ambiguous.has(traceName(table)) && traces.get(traceName(table))?.isMade !== false;
  });
}

/** `column public.a.b` */
export function traceName({ kind, schema, of, name }: Trace): string {
  return `${kind} ${[schema, of, name].filter((part) => part !== undefined).join('.')}`;
}

/** What is there afterwards: `table public.a`, `no column public.a.b`. */
export function traceLabel(trace: Trace): string {
  return `${trace.isMade ? '' : 'no '}${traceName(trace)}`;
}
