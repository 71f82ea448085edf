import { addAbortSignal, type Readable } from 'node:stream';
import type { BackupStorage } from '../../storage/storage.types.js';
import { DigestMeter } from './digest-meter.js';
import { type Inside, inspectArchive, type Inspection } from './verify-contents.js';

/** What the stored bytes are. */
export interface ReadBack extends Inside {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Reads an archive from the storage, every byte of it: digests it, and looks into it where there is an inspection.
 * @throws what the storage throws, or the signal's reason.
 */
export async function readBack(
  storage: BackupStorage,
  key: string,
  inspection: Inspection | undefined,
  { signal, onBytes }: { signal: AbortSignal; onBytes?: ((bytes: number) => void) | undefined },
): Promise<ReadBack> {
  const meter = new DigestMeter(onBytes);
  const body = untilAborted(signal, await storage.get(key));
  try {
    const stored = meter.through(body);
    // Whoever looks into it may stop at a fault; the rest is digested all the same.
    const unending = { [Symbol.asyncIterator]: () => ({ next: () => stored.next() }) };
    const inside: Inside =
      inspection === undefined
        ? { fault: undefined, plain: undefined, closed: undefined }
        : await inspectArchive(unending, inspection, signal);
    let next = await stored.next();
    while (!next.done) next = await stored.next();
    return { ...inside, bytes: meter.bytes, sha256: meter.digest() };
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    body.destroy();
  }
}

/**
 * The stream itself, which the signal destroys. It may be aborted already, before anybody reads: the stream’s error
 * waits for whoever does then, and must not end the process.
 */
export function untilAborted(signal: AbortSignal, body: Readable): Readable {
  body.on('error', () => undefined);
  return addAbortSignal(signal, body);
}
