import type { Readable } from 'node:stream';
import type { PgkeepError } from '../core/errors.js';

/** A failure of the stream to upload, not of the storage. */
class SourceError extends Error {
  override readonly name = 'SourceError';
}

/**
 * Runs an upload of `body`, and throws the reason of a failure: the abort of the signal, the error of the stream, or the
 * error of the storage, which `explain` returns. The stream is destroyed unless the upload succeeds.
 */
export async function uploading<T>(
  body: Readable,
  signal: AbortSignal,
  upload: () => Promise<T>,
  explain: (error: unknown) => PgkeepError,
): Promise<T> {
  // The stream may fail before the upload reads it: that must not end the process.
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
 * Yields the bytes of a stream to upload, until the signal is aborted. Its failures, such as an early close, are distinct
 * from the storage's. The abort works even if the stream gives no more data and cannot be destroyed.
 */
export async function* sourceOf(body: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  const chunks = body[Symbol.asyncIterator]();
  let giveUp: ((reason: unknown) => void) | undefined;
  const onAbort = (): void => giveUp?.(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    while (true) {
      signal.throwIfAborted();
      // Not Promise.race with one promise for all chunks: that would keep every chunk in memory until the end.
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

/** Yields the bytes of a stream, chunk by chunk. @throws the stream's error, also if it closes before its end. */
export async function* bytesOf(body: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of body) yield toBuffer(chunk);
}

function toBuffer(chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk);
  if (ArrayBuffer.isView(chunk)) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new TypeError('a storage needs a stream of bytes, not of objects');
}
