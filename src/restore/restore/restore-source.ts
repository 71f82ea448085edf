import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { BackupService } from '../../backup/backup.service.js';
import type { Manifest } from '../../backup/backup.types.js';
import { whileClaimed } from '../../backup/catalog/backup-claims.js';
import { typedName } from '../../backup/catalog/backup-name.js';
import { CommittedBackups } from '../../backup/catalog/committed-backups.js';
import { openArchive, withArchiveFile } from '../../backup/copies/archive-file.js';
import { findTool, majorOf } from '../../backup/postgres-tools.js';
import type { BackupSettings, Settings } from '../../config/settings.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { LocalStorage } from '../../storage/local/local-storage.js';
import { type ArchiveNeeds, needsOf } from '../archive/archive-needs.js';
import { Archive } from '../archive/archive.js';
import { detectDump } from '../archive/dump-format.js';

/** What is restored: a backup, or a dump of another tool. */
export interface RestoreSource {
  /** A backup's name, or a file's path. */
  readonly name: string;
  /** Null for a dump without a manifest, which cannot be compared. */
  readonly manifest: Manifest | null;
  /** The version of the dumped server; undefined if a dump does not contain it. */
  readonly serverVersion: string | undefined;
  /**
   * Opens it from its beginning, decrypted and not verified. Undefined for a dump without a manifest, which is on this
   * machine.
   */
  readonly open: (() => Promise<Readable>) | undefined;
  /** Runs `use` with the complete archive on this machine: a file, or the directory of a dump. */
  readonly withFile: <T>(signal: AbortSignal, use: (file: string) => Promise<T>) => Promise<T>;
}

/** Where a source is looked for. */
interface Places {
  readonly backups: BackupService;
  readonly settings: BackupSettings;
}

/** What reading the beginning of an archive needs. */
interface PeekContext {
  readonly settings: Settings;
  /** What archives require, by their sha256. */
  readonly knownNeeds: Map<string, ArchiveNeeds>;
  readonly signal: AbortSignal;
}

/** Runs `work` while the source is claimed: no prune removes it meanwhile. */
export async function whileSourceIsClaimed<T>(
  typed: string,
  { backups, settings, now, signal }: Places & { now: Date; signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  const file = path.resolve(typed);
  if (isOfTheStorage(file, settings))
    return await backups.whileClaimed(typed, { use: 'restore', signal }, work);
  const storage = new LocalStorage(path.dirname(file));
  return await whileClaimed([storage], typedName(file), { use: 'restore', now, signal }, work);
}

function isOfTheStorage(file: string, { directory }: BackupSettings): boolean {
  return !existsSync(file) || path.dirname(file) === directory;
}

/**
 * Finds a source: the path of a file, with or without a manifest beside it; otherwise a stored backup, by its name or the
 * name of one of its files.
 * @throws PgkeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`, `STORAGE_…`; `USAGE_INVALID` for a dump whose
 *   format cannot be restored.
 */
export async function findSource(typed: string, { backups, settings }: Places): Promise<RestoreSource> {
  const file = path.resolve(typed);
  if (isOfTheStorage(file, settings)) {
    const manifest = await backups.manifest(typed);
    return {
      name: manifest.name,
      manifest,
      serverVersion: manifest.serverVersion,
      open: () => backups.openArchive(manifest.name),
      withFile: (signal, use) =>
        backups.withArchive(manifest.name, signal, ({ file: archive }) => use(archive)),
    };
  }
  const storage = new LocalStorage(path.dirname(file));
  const found = await new CommittedBackups(storage).manifest(path.basename(file)).catch(ifNotFound);
  if (!found) {
    const { header } = await detectDump(file);
    const serverVersion = header?.serverVersion;
    return {
      name: file,
      manifest: null,
      serverVersion,
      open: undefined,
      withFile: (_signal, use) => use(file),
    };
  }
  return {
    name: found.name,
    manifest: found.manifest,
    serverVersion: found.manifest.serverVersion,
    open: () => openArchive({ storage, encryption: settings.encryption }, found),
    withFile: (signal, use) =>
      withArchiveFile({ storage, encryption: settings.encryption }, found, signal, ({ file: archive }) =>
        use(archive),
      ),
  };
}

function ifNotFound(error: unknown): undefined {
  if (errorCode(error) !== 'BACKUP_NOT_FOUND') throw error;
}

/**
 * Reads what an archive requires from its beginning, before it is fetched and verified.
 * @returns undefined if it cannot be read: it may be damaged, which the restore finds out when it fetches a copy.
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
