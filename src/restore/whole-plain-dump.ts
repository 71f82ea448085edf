import type { Readable } from 'node:stream';

/** What pg_dump ends a plain dump with: without it some of the dump is missing, and nothing else tells. */
const CLOSING_LINE = '-- PostgreSQL database dump complete';
/** The closing line is within the last of so many bytes. */
const TAIL_BYTES = 1024;

/** The text of a plain dump has no closing line. */
export class IncompleteDumpError extends Error {
  override readonly name = 'IncompleteDumpError';

  constructor() {
    super('the dump has no closing line: some of it is missing');
  }
}

/**
 * A plain dump as one transaction for psql, committed only when its closing line was seen: psql takes a dump
 * that was cut for a whole one.
 * @throws IncompleteDumpError in place of the commit; what the source throws.
 */
export async function* inOneTransaction(source: Readable): AsyncGenerator<Buffer> {
  let tail = '';
  yield Buffer.from('BEGIN;\n');
  for await (const chunk of source) {
    const piece = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    tail = (tail + piece.subarray(-TAIL_BYTES).toString('latin1')).slice(-TAIL_BYTES);
    yield piece;
  }
  if (!tail.includes(CLOSING_LINE)) throw new IncompleteDumpError();
  yield Buffer.from('\nCOMMIT;\n');
}
