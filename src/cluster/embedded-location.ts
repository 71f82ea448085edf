import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Where the embedded PostgreSQL of a directory is found by other commands, while it runs. */
export interface EmbeddedLocation {
  /** Connection URL, password included: the file is readable by its owner only. */
  readonly url: string;
  /** Settings that go with it, by name: where its migrations and its backups are. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Directory below the working directory where pgkeep keeps what it makes by itself. */
export const STATE_DIRECTORY = '.pgkeep';

export function writeEmbeddedLocation(stateDirectory: string, location: EmbeddedLocation): void {
  // Written aside and renamed: a reader finds the complete file or none.
  const unfinished = `${fileOf(stateDirectory)}.new`;
  writeFileSync(unfinished, `${JSON.stringify(location, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, fileOf(stateDirectory));
}

export function removeEmbeddedLocation(stateDirectory: string): void {
  rmSync(fileOf(stateDirectory), { force: true });
}

/** Undefined when no embedded PostgreSQL was started here, or it was stopped in order. */
export function readEmbeddedLocation(stateDirectory: string): EmbeddedLocation | undefined {
  const file = fileOf(stateDirectory);
  if (!existsSync(file)) return undefined;
  const parsed = parse(readFileSync(file, 'utf8'));
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  if (!('url' in parsed) || typeof parsed.url !== 'string') return undefined;
  if (!('settings' in parsed) || !isTexts(parsed.settings)) return undefined;
  return { url: parsed.url, settings: parsed.settings };
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((text) => typeof text === 'string')
  );
}

/** What is no JSON counts as absent; the parser's own message would quote it, password included. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fileOf(stateDirectory: string): string {
  return path.join(stateDirectory, 'embedded.json');
}
