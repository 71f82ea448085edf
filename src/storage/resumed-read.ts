import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytesOf } from './upload-source.js';

/** What a download needs to continue after its connection broke. */
export interface Download {
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
