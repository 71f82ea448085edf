import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';

/** Enough for the closing lines. */
const TAIL_BYTES = 1024;
/** What pg_dump writes last; recent versions close their `\restrict` behind it. */
const CLOSING = /\n--\n-- PostgreSQL database dump complete\n--\n\s*(\\unrestrict \w+\s*)?$/;

/** Watches a dump in SQL pass, to its end. psql takes one that was cut for a whole one, and says nothing. */
export class ClosingLine {
  private tail: Buffer = Buffer.alloc(0);

  async *watch(sql: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of sql) {
      this.tail = Buffer.concat([this.tail, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
      yield chunk;
    }
  }

  /** Whether the last line was pg_dump's closing one. */
  get wasSeen(): boolean {
    return CLOSING.test(this.tail.toString('latin1'));
  }
}

/** Compresses on Node's thread pool. */
export function gzipped(plain: AsyncIterable<Buffer>, level: number): AsyncGenerator<Buffer> {
  return through(plain, createGzip({ level }));
}

/** @throws zlib's error, `Z_…`, where it is not gzip, or not all of it. */
export function gunzipped(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  return through(packed, createGunzip());
}

async function* through(source: AsyncIterable<Buffer>, transform: Transform): AsyncGenerator<Buffer> {
  // The error of either comes out of the iteration.
  pipeline(Readable.from(source, { objectMode: false }), transform, () => undefined);
  for await (const chunk of transform) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
}
