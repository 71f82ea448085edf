import { destroyOnAbort } from '../../core/process/concurrent.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { DigestMeter } from './digest-meter.js';
import { NOT_CHECKED, verifyContents, type ArchiveContents, type ContentsCheck } from './verify-contents.js';

/** Size, digest and contents of an archive, as it was read from its storage. */
export interface StoredArchive extends ArchiveContents {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Reads every byte of an archive from its storage: computes the digest, and checks the contents if there is a check.
 * @throws what the storage throws, or the signal's reason.
 */
export async function readStoredArchive(
  storage: BackupStorage,
  key: string,
  check: ContentsCheck | undefined,
  { signal, onBytes }: { signal: AbortSignal; onBytes?: ((bytes: number) => void) | undefined },
): Promise<StoredArchive> {
  const meter = new DigestMeter(onBytes);
  const body = destroyOnAbort(signal, await storage.get(key));
  try {
    const stored = meter.through(body);
    // Without return(): if the check stops at a fault, the rest is still read for the digest.
    const resumable = { [Symbol.asyncIterator]: () => ({ next: () => stored.next() }) };
    const contents: ArchiveContents =
      check === undefined ? NOT_CHECKED : await verifyContents(resumable, check, signal);
    let next = await stored.next();
    while (!next.done) next = await stored.next();
    return { ...contents, bytes: meter.bytes, sha256: meter.digest() };
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    body.destroy();
  }
}
