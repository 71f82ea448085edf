import type { ReadContext } from './setting.js';
import { GATES, type Gate } from './settings.js';

/** Completes "READINESS_GATES must be …". */
export const GATE_LIST = 'a list such as backupConfig=latch,environment=warn';

/**
 * Parses `READINESS_GATES`, such as `backupConfig=latch,environment=warn`: the gates of the checks that it names.
 * @throws Error that names the wrong entry.
 */
export function parseGates(text: string): Readonly<Record<string, Gate>> {
  const gates = new Map<string, Gate>();
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const [name = '', value = ''] = entry.split('=').map((part) => part.trim());
    const gate = GATES.find((known) => known === value);
    if (!gate) throw new Error(`"${value}" is not a gate (${GATES.join(', ')})`);
    if (gates.has(name)) throw new Error(`${name} is named twice`);
    gates.set(name, gate);
  }
  return Object.fromEntries(gates);
}

/** Refuses a name that no check has, if the checks are known. */
export function refuseUnknownCheck(text: string, { checks }: ReadContext): string | undefined {
  const unknown = Object.keys(parseGates(text)).find((name) => checks?.includes(name) === false);
  if (unknown === undefined) return undefined;
  return `${GATE_LIST}: "${unknown}" is not a check (${checks?.join(', ')})`;
}
