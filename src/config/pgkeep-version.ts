import { readFileSync } from 'node:fs';
import { packageFile } from '../core/package-file.js';

/** pgkeep's own version, from the package.json beside `src` and `dist`. */
export const PGKEEP_VERSION: string = readVersion();

function readVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
  const isDescribed = typeof parsed === 'object' && parsed !== null && 'version' in parsed;
  return isDescribed ? String(parsed.version) : '';
}
