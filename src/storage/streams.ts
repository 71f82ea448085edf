import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
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

/** What a download needs to continue after its connection broke. */
interface Download {
  /** How many bytes the object has. */
  readonly bytes: number;
  /** Opens the same object again, from this byte on. */
  reopen(offset: number): Promise<Readable>;
  /** Returns the error to throw for the last failure. */
  explain(error: unknown): Error;
  /** How often in a row the connection may break without a byte in between. */
  readonly attempts: number;
  /** How long to wait for a byte, in ms: some clients do not notice that their connection broke. */
  readonly idleMs: number;
}

/**
 * Returns the bytes of a download as one stream, which is complete or fails. If the connection breaks, or the server
 * closes it because the reader is slow, the download continues at the byte where it stopped.
 */
export function resumedRead(first: Readable, download: Download): Readable {
  const current = { source: first };
  const stream = Readable.from(wholeOf(current, download), { objectMode: false });
  // If the reader goes away before it begins, the generator never starts: the connection must be closed here.
  stream.once('close', () => current.source.destroy());
  return stream;
}

async function* wholeOf(current: { source: Readable }, download: Download): AsyncGenerator<Buffer> {
  let offset = 0;
  let failures = 0;
  while (true) {
    try {
      if (failures > 0) current.source = await download.reopen(offset);
      for await (const chunk of watched(current.source, download.idleMs)) {
        offset += chunk.length;
        failures = 0;
        yield chunk;
      }
      if (offset >= download.bytes) return;
      throw new Error(`the download ended after ${offset} of ${download.bytes} bytes`);
    } catch (error) {
      failures += 1;
      if (failures >= download.attempts) throw download.explain(error);
      await sleep(50 * 2 ** failures);
    }
  }
}

/** Destroys the stream if no byte comes for `idleMs` while the reader waits for one. */
async function* watched(source: Readable, idleMs: number): AsyncGenerator<Buffer> {
  const watch = (): NodeJS.Timeout =>
    setTimeout(() => {
      const error = new Error(`no data for ${idleMs} ms`);
      error.name = 'TimeoutError';
      source.destroy(error);
    }, idleMs);
  let timer = watch();
  try {
    for await (const chunk of bytesOf(source)) {
      clearTimeout(timer);
      yield chunk;
      timer = watch();
    }
  } finally {
    clearTimeout(timer);
  }
}
