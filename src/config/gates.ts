import { CHECK_NAMES, GATES, type CheckName, type Gate } from './settings.js';

/**
 * Parses `READINESS_GATES`, such as `backupConfig=latch,environment=warn`; checks that are not named are `enforce`.
 * @throws Error that names the wrong entry.
 */
export function parseGates(text: string): Record<CheckName, Gate> {
  const gates: Record<CheckName, Gate> = {
    database: 'enforce',
    environment: 'enforce',
    migrations: 'enforce',
    databaseSafety: 'enforce',
    backupConfig: 'enforce',
    backups: 'enforce',
  };
  const seen = new Set<CheckName>();
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const [name = '', value = ''] = entry.split('=').map((part) => part.trim());
    const check = CHECK_NAMES.find((known) => known === name);
    const gate = GATES.find((known) => known === value);
    if (!check) throw new Error(`"${name}" is not a check (${CHECK_NAMES.join(', ')})`);
    if (!gate) throw new Error(`"${value}" is not a gate (${GATES.join(', ')})`);
    if (seen.has(check)) throw new Error(`${check} is named twice`);
    seen.add(check);
    gates[check] = gate;
  }
  return gates;
}
