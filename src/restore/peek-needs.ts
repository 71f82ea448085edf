import { findTool } from '../backup/postgres-tool.js';
import type { Settings } from '../config/settings.js';
import { PgkeepError } from '../core/errors.js';
import { Archive } from './archive.js';
import type { ArchiveNeeds } from './archive-contents.js';
import { needsOf } from './archive-needs.js';
import type { RestoreSource } from './restore-source.js';
import { majorOf } from './server-version.js';

/** What a look into an archive works with. */
export interface PeekContext {
  readonly settings: Settings;
  /** By sha256. */
  readonly knownNeeds: Map<string, ArchiveNeeds>;
  readonly signal: AbortSignal;
}

/**
 * What an archive needs, read from its beginning before it is fetched and proven. Undefined where it cannot be read:
 * whether it is damaged, and another copy is not, is known when it is here.
 * @throws PgkeepError `BACKUP_TOOLS_MISSING`, `BACKUP_KEY_MISSING`, `BACKUP_KEY_WRONG`, `STORAGE_…`.
 */
export async function peekNeeds(
  source: RestoreSource,
  { settings: { searchPath }, knownNeeds, signal }: PeekContext,
): Promise<ArchiveNeeds | undefined> {
  const digest = source.manifest?.sha256;
  const known = digest === undefined ? undefined : knownNeeds.get(digest);
  if (known) return known;
  try {
    const needs = await readNeeds(source, { searchPath, signal });
    if (digest !== undefined) knownNeeds.set(digest, needs);
    return needs;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof PgkeepError) throw error;
    return undefined;
  }
}

async function readNeeds(
  { name, manifest, open }: RestoreSource,
  { searchPath, signal }: { searchPath: string; signal: AbortSignal },
): Promise<ArchiveNeeds> {
  if (!manifest || !open) return await (await Archive.open(name, { searchPath, signal })).needs();
  const atLeastMajor = majorOf(manifest.toolVersions.pgDump);
  const pgRestore =
    manifest.format === 'custom'
      ? await findTool({ program: 'pg_restore', atLeastMajor, searchPath })
      : undefined;
  return await needsOf(await open(), { pgRestore, signal });
}
