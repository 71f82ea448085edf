import { findTool } from '../backup/postgres-tool.js';
import type { Settings } from '../config/settings.js';
import { KeepError } from '../errors.js';
import type { ArchiveNeeds } from './archive-contents.js';
import { formatOf } from './archive-format.js';
import { needsOf } from './archive-needs.js';
import type { RestoreTarget } from './restore-plan.js';
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
 * @throws KeepError `BACKUP_TOOLS_MISSING`, `BACKUP_KEY_MISSING`, `BACKUP_KEY_WRONG`, `STORAGE_…`.
 */
export async function peekNeeds(
  source: RestoreSource,
  { serverVersion }: RestoreTarget,
  { settings: { searchPath }, knownNeeds, signal }: PeekContext,
): Promise<ArchiveNeeds | undefined> {
  const digest = source.manifest?.sha256;
  const known = digest === undefined ? undefined : knownNeeds.get(digest);
  if (known) return known;
  try {
    const format = source.manifest?.format ?? (await formatOf(source.name));
    const atLeastMajor = majorOf(source.manifest?.toolVersions.pgDump ?? serverVersion);
    const pgRestore =
      format === 'custom' ? await findTool({ program: 'pg_restore', atLeastMajor, searchPath }) : undefined;
    const needs = await needsOf(await source.open(), { pgRestore, signal });
    if (digest !== undefined) knownNeeds.set(digest, needs);
    return needs;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof KeepError) throw error;
    return undefined;
  }
}
