import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Where the embedded PostgreSQL of a directory is found by other commands, while it runs. */
export interface EmbeddedLocation {
  /** Connection URL, password included: the file is readable by its owner only. */
  readonly url: string;
  /** The migrations of the application in it. */
  readonly migrationsDirectory: string;
}

/** Directory below the working directory where pgkeep keeps what it makes by itself. */
export const STATE_DIRECTORY = '.pgkeep';

export function writeEmbeddedLocation(stateDirectory: string, location: EmbeddedLocation): void {
  writeFileSync(fileOf(stateDirectory), `${JSON.stringify(location, null, 2)}\n`, { mode: 0o600 });
}

export function removeEmbeddedLocation(stateDirectory: string): void {
  rmSync(fileOf(stateDirectory), { force: true });
}

/** Undefined when no embedded PostgreSQL was started here, or it was stopped in order. */
export function readEmbeddedLocation(stateDirectory: string): EmbeddedLocation | undefined {
  const file = fileOf(stateDirectory);
  if (!existsSync(file)) return undefined;
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  if (!('url' in parsed) || typeof parsed.url !== 'string') return undefined;
  if (!('migrationsDirectory' in parsed) || typeof parsed.migrationsDirectory !== 'string') return undefined;
  return { url: parsed.url, migrationsDirectory: parsed.migrationsDirectory };
}

function fileOf(stateDirectory: string): string {
  return path.join(stateDirectory, 'embedded.json');
}
