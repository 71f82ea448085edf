/** The versions in the header of a pg_dump archive. */
export interface ArchiveHeader {
  /** The version of the server that was dumped: `15.18`. */
  readonly serverVersion: string;
  /** The version of the pg_dump that wrote it: `17.6`. An older pg_restore refuses the archive. */
  readonly pgDumpVersion: string;
}

/** How many bytes of an archive are read for its header. */
export const HEADER_BYTES = 4096;

const MAGIC = 'PGDMP';
/** From this version of the format on the compression is one byte instead of an integer. */
const COMPRESSION_IS_A_BYTE = 15;
/** The longest integer, in bytes, that Node.js reads exactly. */
const LARGEST_INTEGER = 6;
/** Seconds, minutes, hours, day, month, year and daylight saving time of its creation. */
const TIME_FIELDS = 7;

/**
 * Reads the header of an archive (pg_backup_archiver.c, ReadHead). Pure.
 * @returns undefined if it is not an archive, or of an unknown version.
 */
export function parseArchiveHeader(bytes: Buffer): ArchiveHeader | undefined {
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  try {
    const reader = new HeaderReader(bytes, MAGIC.length);
    const [major, minor] = [reader.byte(), reader.byte()];
    reader.byte();
    if (major !== 1 || minor < 10) return undefined;
    reader.integerBytes = Math.min(reader.byte(), LARGEST_INTEGER);
    // The size of offsets and the format.
    reader.byte();
    reader.byte();
    if (minor >= COMPRESSION_IS_A_BYTE) reader.byte();
    else reader.integer();
    for (let field = 0; field < TIME_FIELDS; field += 1) reader.integer();
    // The database's name.
    reader.text();
    const [serverVersion, pgDumpVersion] = [reader.text(), reader.text()];
    return { serverVersion: numberOf(serverVersion), pgDumpVersion: numberOf(pgDumpVersion) };
  } catch (error) {
    if (error instanceof ShortHeaderError) return undefined;
    throw error;
  }
}

/** `15.18` of `15.18 (Debian 15.18-0+deb12u1)`. */
function numberOf(version: string): string {
  return version.split(' ')[0] ?? version;
}

class ShortHeaderError extends Error {
  override readonly name = 'ShortHeaderError';
}

class HeaderReader {
  integerBytes = 4;

  constructor(
    private readonly bytes: Buffer,
    private position: number,
  ) {}

  byte(): number {
    return this.bytes.readUInt8(this.pass(1));
  }

  /** Reads a sign and then a little-endian number. */
  integer(): number {
    const sign = this.byte() === 0 ? 1 : -1;
    return sign * this.bytes.readUIntLE(this.pass(this.integerBytes), this.integerBytes);
  }

  text(): string {
    const length = Math.max(0, this.integer());
    const start = this.pass(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  /** Skips bytes. @returns the position of the first one. */
  private pass(count: number): number {
    const start = this.position;
    this.position += count;
    if (this.position > this.bytes.length) throw new ShortHeaderError();
    return start;
  }
}
