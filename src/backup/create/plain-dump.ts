import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { PgkeepError } from '../../core/errors.js';

/** Enough for the closing lines. */
const TAIL_BYTES = 1024;
/** What pg_dump and pg_dumpall write last; recent versions close their `\restrict` before or after it. */
const CLOSING = {
  database: /\n--\n-- PostgreSQL database dump complete\n--\n\s*(\\unrestrict \w+\s*)?$/,
  'database cluster': /\n--\n-- PostgreSQL database cluster dump complete\n--\n\s*(\\unrestrict \w+\s*)?$/,
} as const;

/** Checks that a dump in SQL ends with its closing line. psql restores a truncated dump without an error. */
export class ClosingLine {
  private tail: Buffer = Buffer.alloc(0);

  constructor(private readonly of: keyof typeof CLOSING = 'database') {}

  /** Passes the dump on. */
  async *watch(sql: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of sql) {
      this.tail = Buffer.concat([this.tail, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
      yield chunk;
    }
  }

  /** Whether the dump ended with the closing line. */
  get wasSeen(): boolean {
    return CLOSING[this.of].test(this.tail.toString('latin1'));
  }
}

/** Passes a dump in SQL on. @throws PgkeepError `BACKUP_FAILED` at its end if it is truncated. */
export async function* completeSql(
  sql: AsyncIterable<Buffer>,
  of: keyof typeof CLOSING,
): AsyncGenerator<Buffer> {
  const closing = new ClosingLine(of);
  yield* closing.watch(sql);
  if (closing.wasSeen) return;
  throw new PgkeepError(
    'BACKUP_FAILED',
    `The dump is truncated: its closing line "PostgreSQL ${of} dump complete" is missing.`,
    {
      hint: 'Nothing was kept. Run the command again.',
    },
  );
}

/** Compresses a stream, on Node's thread pool. */
export function gzipped(plain: AsyncIterable<Buffer>, level: number): AsyncGenerator<Buffer> {
  return through(plain, createGzip({ level }));
}

/** Decompresses a stream. @throws zlib's error, `Z_…`, if it is not gzip or is truncated. */
export function gunzipped(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  return through(packed, createGunzip());
}

async function* through(source: AsyncIterable<Buffer>, transform: Transform): AsyncGenerator<Buffer> {
  // An error of either stream is thrown by the iteration below.
  pipeline(Readable.from(source, { objectMode: false }), transform, () => undefined);
  for await (const chunk of transform) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
}
