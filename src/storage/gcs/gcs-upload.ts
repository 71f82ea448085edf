import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import type { File } from '@google-cloud/storage';
import { sourceOf } from '../streams.js';

/** The size of one step of an upload. A step whose connection broke is sent again. */
const CHUNK = 8 * 1024 * 1024;

const METADATA = { contentType: 'application/octet-stream' };

/**
 * Uploads a stream of unknown length: in one request if it is short, otherwise as a resumable upload, which becomes an
 * object with its last byte.
 * @param stallMs the longest wait for the server to accept the next step, with all retries
 */
export async function upload(
  file: File,
  body: Readable,
  signal: AbortSignal,
  stallMs: number,
): Promise<{ bytes: number }> {
  const source = sourceOf(body, signal);
  const head = await take(source, CHUNK);
  signal.throwIfAborted();
  if (head.isAll) {
    // The request cannot be undone: an abort from here on is too late, and the put succeeds.
    await file.save(Buffer.concat(head.chunks), { resumable: false, metadata: METADATA });
    return { bytes: head.bytes };
  }
  return await resumable(file, [head.chunks, source], signal, stallMs);
}

/** Reads the beginning of a stream: all of it, or a little more than the limit. */
async function take(
  source: AsyncIterator<Buffer>,
  limit: number,
): Promise<{ chunks: Buffer[]; bytes: number; isAll: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  while (bytes <= limit) {
    const next = await source.next();
    if (next.done === true) return { chunks, bytes, isAll: true };
    chunks.push(next.value);
    bytes += next.value.length;
  }
  return { chunks, bytes, isAll: false };
}

async function resumable(
  file: File,
  sources: readonly (Iterable<Buffer> | AsyncIterable<Buffer>)[],
  signal: AbortSignal,
  stallMs: number,
): Promise<{ bytes: number }> {
  const stall = new StallWatch(stallMs);
  let bytes = 0;
  async function* watched(): AsyncGenerator<Buffer> {
    for (const source of sources) {
      for await (const chunk of source) {
        bytes += chunk.length;
        stall.start();
        yield chunk;
        stall.stop();
      }
    }
    // The last step, and its response.
    stall.start();
  }
  let session: string | undefined;
  const sink = file.createWriteStream({ resumable: true, chunkSize: CHUNK, metadata: METADATA });
  sink.on('uri', (uri: unknown) => {
    session = String(uri);
  });
  try {
    await pipeline(watched, sink, { signal: AbortSignal.any([signal, stall.signal]) });
    return { bytes };
  } catch (error) {
    if (session !== undefined) await cancel(file, session);
    stall.signal.throwIfAborted();
    throw error;
  } finally {
    stall.stop();
  }
}

/** Cancels the upload, which would be kept for a week. If that fails, too, the first failure is reported. */
async function cancel(file: File, session: string): Promise<void> {
  try {
    await file.storage.authClient.request({
      method: 'DELETE',
      url: session,
      headers: { 'Content-Length': '0' },
      timeout: 10_000,
      // The server answers a cancellation with 499.
      validateStatus: () => true,
    });
  } catch {
    // The unfinished upload is not visible under the key, and the server removes it later.
  }
}

/** Aborts an upload if the server accepts no more data: the client itself waits forever. */
class StallWatch {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly limitMs: number) {}

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  start(): void {
    this.timer = setTimeout(() => {
      const error = new Error(`the server accepted no data for ${this.limitMs} ms`);
      error.name = 'TimeoutError';
      this.controller.abort(error);
    }, this.limitMs);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
