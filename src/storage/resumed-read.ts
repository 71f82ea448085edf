import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytesOf } from './upload-source.js';

/** What a download needs to go on after its connection broke. */
export interface Download {
  /** How many bytes the whole object has. */
  readonly bytes: number;
  /** Opens the same object again, from this byte on. */
  reopen(offset: number): Promise<Readable>;
  /** Puts the last failure into words. */
  explain(error: unknown): Error;
  /** How often in a row the connection may break without one byte in between. */
  readonly attempts: number;
  /** How long one byte is waited for, in ms: some clients do not notice that their connection broke. */
  readonly idleMs: number;
}

/**
 * The bytes of a download as one stream, whole or failed: a connection that breaks, or that the server closed
 * because the reader took its time, is taken up again at the byte where it broke.
 */
export function resumedRead(first: Readable, download: Download): Readable {
  const current = { source: first };
  const stream = Readable.from(wholeOf(current, download), { objectMode: false });
  // A reader that goes before it began never starts the generator: the connection must not stay open for it.
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
      throw new Error(`the answer ended after ${offset} of ${download.bytes} bytes`);
    } catch (error) {
      failures += 1;
      if (failures >= download.attempts) throw download.explain(error);
      await sleep(50 * 2 ** failures);
    }
  }
}

/** Breaks the stream when it gives nothing for so long, while it is asked. A reader may take its time. */
async function* watched(source: Readable, idleMs: number): AsyncGenerator<Buffer> {
  const watch = (): NodeJS.Timeout =>
    setTimeout(() => {
      const error = new Error(`no byte for ${idleMs} ms`);
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
