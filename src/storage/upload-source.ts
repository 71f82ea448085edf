import type { Readable } from 'node:stream';
import type { PgkeepError } from '../core/errors.js';

/** The stream to upload failed, not the storage. */
class SourceError extends Error {
  override readonly name = 'SourceError';
}

/**
 * Runs an upload of `body` and sorts out what a failure was: the caller's abort, the stream's own error, or else
 * the storage's, which `explain` puts into words. The stream is destroyed in every case but success.
 */
export async function uploading<T>(
  body: Readable,
  signal: AbortSignal,
  upload: () => Promise<T>,
  explain: (error: unknown) => PgkeepError,
): Promise<T> {
  // The stream may fail before the upload looks at it: that must not end the process.
  body.on('error', () => undefined);
  try {
    signal.throwIfAborted();
    return await upload();
  } catch (error) {
    body.destroy();
    signal.throwIfAborted();
    throw error instanceof SourceError ? error.cause : explain(error);
  }
}

/**
 * The bytes of a stream to upload, until the signal. Its own failures, an early close among them, are told from the
 * storage's. A stream that hangs holds nobody up: some cannot even be destroyed before their next chunk.
 */
export async function* sourceOf(body: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  const chunks = body[Symbol.asyncIterator]();
  let giveUp: ((reason: unknown) => void) | undefined;
  const onAbort = (): void => giveUp?.(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    while (true) {
      signal.throwIfAborted();
      // Not Promise.race with one promise for all chunks: that would remember every chunk's until the end.
      const next = await new Promise<IteratorResult<unknown>>((resolve, reject) => {
        giveUp = reject;
        chunks.next().then(resolve, reject);
      });
      if (next.done === true) return;
      yield toBuffer(next.value);
    }
  } catch (error) {
    throw new SourceError('the stream to upload failed', { cause: error });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The bytes of a stream, chunk by chunk. @throws the stream's error, also where it closes before its end. */
export async function* bytesOf(body: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of body) yield toBuffer(chunk);
}

function toBuffer(chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk);
  if (ArrayBuffer.isView(chunk)) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new TypeError('a storage takes a stream of bytes, not of objects');
}
