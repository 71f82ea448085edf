import { readFileSync } from 'node:fs';

/** pgkeep's own version, from the package.json beside `src` and `dist`. */
export const PGKEEP_VERSION: string = readVersion();

function readVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const isDescribed = typeof parsed === 'object' && parsed !== null && 'version' in parsed;
  return isDescribed ? String(parsed.version) : '';
}
