import type { Gate } from '../config/settings.js';
import { PgkeepError } from '../core/errors.js';
import { CHECKS } from './checks.js';
import type { CheckView } from './readiness.types.js';

/**
 * Returns the gate of every check: of pgkeep's own, and of those that the application added.
 * @throws PgkeepError `CONFIG_INVALID` where `READINESS_GATES` names a check that does not exist.
 */
export function gatesOf(
  named: Readonly<Record<string, Gate>>,
  added: readonly { readonly name: string; readonly gate?: Gate }[],
): Readonly<Record<string, Gate>> {
  const defaults = [...CHECKS, ...added].map(({ name, gate = 'enforce' }) => [name, gate] as const);
  const names = new Set(defaults.map(([name]) => name));
  const unknown = Object.keys(named).find((name) => !names.has(name));
  if (unknown !== undefined) {
    throw new PgkeepError(
      'CONFIG_INVALID',
      `READINESS_GATES names "${unknown}", which is not a check (${[...names].join(', ')}).`,
      { hint: 'Correct the name, or pass the check to PgkeepModule in `checks`.' },
    );
  }
  return { ...Object.fromEntries(defaults), ...named };
}

/** Returns whether a failing check makes the verdict "not ready". */
export function blocks({ ok, gate }: CheckView, wasReady: boolean): boolean {
  return !ok && (gate === 'enforce' || (gate === 'latch' && !wasReady));
}
