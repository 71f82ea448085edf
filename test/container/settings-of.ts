import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Environment, readSettings } from '../../src/config/read-settings.js';
import { unknownSettings } from '../../src/config/settings-list.js';
import type { Settings } from '../../src/config/settings.js';

/**
 * Returns the settings of a deployment's environment. Its `_FILE` secrets are read from files with these contents (by
 * the name of the mounted file).
 * @throws Error on a name that is no setting or a secret that is not mounted, PgkeepError on a wrong value.
 */
export function settingsOf(
  environment: Environment,
  directory: string,
  secrets: Readonly<Record<string, string>>,
): Settings {
  const unknown = unknownSettings(environment);
  if (unknown.length > 0) throw new Error(unknown.join('\n'));
  const own = mkdtempSync(path.join(tmpdir(), 'pgkeep-secrets-'));
  const entries = Object.entries(environment).map(([name, value]) => {
    if (!name.endsWith('_FILE') || value === undefined) return [name, value] as const;
    const file = path.basename(value);
    const secret = secrets[file];
    if (path.dirname(value) !== directory || secret === undefined) throw new Error(`${value} is not mounted`);
    const copy = path.join(own, file);
    writeFileSync(copy, `${secret}\n`);
    return [name, copy] as const;
  });
  return readSettings(Object.fromEntries(entries), '/app');
}
