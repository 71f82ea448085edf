import { Logger } from '@nestjs/common';
import { PgkeepError } from '../core/errors.js';
import type { ArchiveFile } from './archive-file.js';
import type { BackupCopy, UnreadableCopy } from './backup-catalogue.js';

/** Fetches one copy, checks it, and hands it to `use`. */
type WithCopy<T> = (copy: BackupCopy, use: (archive: ArchiveFile) => Promise<T>) => Promise<T>;

/**
 * Uses the first copy of a backup that is whole. A damaged one before it is told in the log, and no reason to stop:
 * the copy elsewhere is there for that.
 * @throws PgkeepError what was wrong with the first copy, where none is whole; what `use` throws.
 */
export async function firstWholeCopy<T>(
  copies: AsyncIterable<BackupCopy | UnreadableCopy>,
  withCopy: WithCopy<T>,
  use: (archive: ArchiveFile) => Promise<T>,
): Promise<T> {
  const passedOver: PgkeepError[] = [];
  for await (const copy of copies) {
    let isUsed = false;
    try {
      if ('error' in copy) throw copy.error;
      return await withCopy(copy, async (archive) => {
        isUsed = true;
        for (const { message } of passedOver)
          new Logger('Backup').error(`${message} Took the copy in ${copy.storage.location}.`);
        return await use(archive);
      });
    } catch (error) {
      if (isUsed || !(error instanceof PgkeepError) || !isOfTheCopy(error)) throw error;
      passedOver.push(error);
    }
  }
  throw passedOver[0] ?? new TypeError('a catalogue that knows no copy says so');
}

/** Whether another copy may do better. A missing key would be missing there, too. */
function isOfTheCopy({ code }: PgkeepError): boolean {
  return code.startsWith('STORAGE_') || code === 'BACKUP_DAMAGED' || code === 'BACKUP_MANIFEST_UNREADABLE';
}
