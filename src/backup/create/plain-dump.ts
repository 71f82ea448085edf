import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { PgkeepError } from '../../core/errors.js';

/** Enough for the closing lines. */
const TAIL_BYTES = 1024;
/** What pg_dump and pg_dumpall write last; recent versions close their `\restrict` before or behind it. */
const CLOSING = {
  database: /\n--\n-- PostgreSQL database dump complete\n--\n\s*(\\unrestrict \w+\s*)?$/,
  'database cluster': /\n--\n-- PostgreSQL database cluster dump complete\n--\n\s*(\\unrestrict \w+\s*)?$/,
} as const;

/** Watches a dump in SQL pass, to its end. psql takes one that was cut for a whole one, and says nothing. */
export class ClosingLine {
  private tail: Buffer = Buffer.alloc(0);

  constructor(private readonly of: keyof typeof CLOSING = 'database') {}

  async *watch(sql: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of sql) {
      this.tail = Buffer.concat([this.tail, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
      yield chunk;
    }
  }

  /** Whether the last line was the closing one. */
  get wasSeen(): boolean {
    return CLOSING[this.of].test(this.tail.toString('latin1'));
  }
}

/** Passes a dump on, and ends well only where that does. @throws PgkeepError `BACKUP_FAILED`. */
export async function* wholeSql(
  sql: AsyncIterable<Buffer>,
  of: keyof typeof CLOSING,
): AsyncGenerator<Buffer> {
  const closing = new ClosingLine(of);
  yield* closing.watch(sql);
  if (closing.wasSeen) return;
  throw new PgkeepError(
    'BACKUP_FAILED',
    `The dump ended without its line "PostgreSQL ${of} dump complete".`,
    {
      hint: 'Nothing was kept. Run it again.',
    },
  );
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
