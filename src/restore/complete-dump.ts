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
 * Passes a plain dump on, which ends well only where its closing line was seen: psql takes a dump that was cut for a
 * complete one. Not as one transaction, which would hold the locks of all tables: the database is a fresh one, and is
 * dropped where the restore fails.
 * @throws IncompleteDumpError at the end; what the source throws.
 */
export async function* completeDump(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let tail = '';
  for await (const piece of source) {
    tail = (tail + piece.subarray(-TAIL_BYTES).toString('latin1')).slice(-TAIL_BYTES);
    yield piece;
  }
  if (!tail.includes(CLOSING_LINE)) throw new IncompleteDumpError();
}
