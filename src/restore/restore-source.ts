import { createReadStream, existsSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { openArchive, withArchiveFile } from '../backup/archive-file.js';
import type { BackupService } from '../backup/backup.service.js';
import type { Manifest } from '../backup/backup.types.js';
import { CommittedBackups } from '../backup/committed-backups.js';
import type { BackupSettings } from '../config/settings.js';
import { LocalStorage } from '../storage/local/local-storage.js';
import { errorCode } from '../errors.js';

/** What is restored: a backup, or a dump that was made elsewhere. */
export interface RestoreSource {
  /** A backup's name, or a file's path. */
  readonly name: string;
  /** Null: a bare dump, that nothing can be compared with. */
  readonly manifest: Manifest | null;
  /** Runs `use` with the archive as a whole file on this machine. */
  /** Opens it from its beginning, decrypted, for a look: nothing of it is proven. */
  readonly open: () => Promise<Readable>;
  readonly withFile: <T>(signal: AbortSignal, use: (file: string) => Promise<T>) => Promise<T>;
}

/**
 * Finds what a person typed: a path to a file, with its manifest beside it or without one; or else a backup of the
 * storage, by its name or the name of one of its files.
 * @throws KeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`, `STORAGE_…`.
 */
export async function findSource(
  typed: string,
  { backups, settings }: { backups: BackupService; settings: BackupSettings },
): Promise<RestoreSource> {
  const file = path.resolve(typed);
  if (!existsSync(file) || path.dirname(file) === settings.directory) {
    const manifest = await backups.manifest(typed);
    return {
      name: manifest.name,
      manifest,
      open: () => backups.openArchive(manifest.name),
      withFile: (signal, use) => backups.withArchive(manifest.name, signal, ({ file: whole }) => use(whole)),
    };
  }
  const storage = new LocalStorage(path.dirname(file));
  const found = await new CommittedBackups(storage).manifest(path.basename(file)).catch(ifNotFound);
  if (!found) {
    const open = (): Promise<Readable> => Promise.resolve(createReadStream(file));
    return { name: file, manifest: null, open, withFile: (_signal, use) => use(file) };
  }
  return {
    name: found.name,
    manifest: found.manifest,
    open: () => openArchive({ storage, encryption: settings.encryption }, found),
    withFile: (signal, use) =>
      withArchiveFile({ storage, encryption: settings.encryption }, found, signal, ({ file: whole }) =>
        use(whole),
      ),
  };
}

function ifNotFound(error: unknown): undefined {
  if (errorCode(error) !== 'BACKUP_NOT_FOUND') throw error;
}
