import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { createGunzip } from 'node:zlib';
import { errorCode, PgkeepError } from '../../core/errors.js';

/** The formats that can be restored, as pg_dump's `--format` names them. A plain dump may be gzipped. */
export type DumpFormat = 'custom' | 'directory' | 'tar' | 'plain';

/** The versions in the header of a pg_dump archive. */
interface ArchiveHeader {
  /** The version of the server that was dumped: `15.18`. */
  readonly serverVersion: string;
  /** The version of the pg_dump that wrote it: `17.6`. An older pg_restore refuses the archive. */
  readonly pgDumpVersion: string;
}

/** The format of a dump, detected from its first bytes: another tool's file may have any name. */
export interface DetectedDump {
  readonly format: DumpFormat;
  /** Undefined if the dump does not contain it: it was written without pg_dump's comments. */
  readonly header: ArchiveHeader | undefined;
}

/** Enough for a plain dump's heading, its settings and its first entries. */
const BEGINNING_BYTES = 16_384;

/** An archive of pg_dump in the custom format begins with this. */
const ARCHIVE = 'PGDMP';
const TAR_BLOCK = 512;

const GZIP = '\x1f\x8b';

/** A byte order mark, or ASCII text in which every other byte is 0. */
const UTF_16 = /^(?:\xff\xfe|\xfe\xff|(?:[\t\n\r -~]\0){8}|(?:\0[\t\n\r -~]){8})/;

/** Compression formats by their first bytes, with the command that unpacks them. */
const COMPRESSIONS: readonly { magic: string; name: string; decompress: string }[] = [
  { magic: '\x28\xb5\x2f\xfd', name: 'zstd', decompress: 'unzstd --keep' },
  { magic: '\xfd7zXZ', name: 'xz', decompress: 'unxz --keep' },
  { magic: 'BZh', name: 'bzip2', decompress: 'bunzip2 --keep' },
  { magic: '\x04\x22\x4d\x18', name: 'lz4', decompress: 'unlz4 --keep' },
  { magic: 'PK\x03\x04', name: 'zip', decompress: 'unzip' },
];

/**
 * Detects the format of a dump.
 * @throws PgkeepError `USAGE_INVALID` if pgkeep cannot restore that format, with what to do; the system's error.
 */
export async function detectDump(file: string): Promise<DetectedDump> {
  if ((await stat(file)).isDirectory()) return await readDirectory(file);
  const beginning = await firstBytes(file, BEGINNING_BYTES);
  if (beginning.length === 0) throw notRestored(`${file} is empty.`, 'Create the dump again.');
  const text = beginning.toString('latin1');
  if (text.startsWith(ARCHIVE)) return { format: 'custom', header: parseArchiveHeader(beginning) };
  if (isTar(text)) return readTar(file, beginning);
  if (text.startsWith('age-encryption.org')) {
    throw notRestored(
      `${file} is encrypted, and its manifest is not in the same directory.`,
      'Copy its manifest into that directory, or decrypt the file first: `age --decrypt --output FILE.dump FILE.dump.age`.',
    );
  }
  const compression = COMPRESSIONS.find(({ magic }) => text.startsWith(magic));
  if (compression) {
    throw notRestored(
      `${file} is compressed with ${compression.name}, which pgkeep cannot read.`,
      `Decompress it first: \`${compression.decompress} ${file}\`. Then restore the result.`,
    );
  }
  if (!text.startsWith(GZIP)) return readPlain(file, text);
  return readPlain(file, await firstDecompressed(file));
}

async function readDirectory(directory: string): Promise<DetectedDump> {
  const header = await firstBytes(path.join(directory, 'toc.dat'), HEADER_BYTES).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
    throw notRestored(
      `${directory} is not a dump of \`pg_dump --format=directory\`: it contains no file toc.dat.`,
      'Give the path of a dump file, or of the directory that pg_dump wrote.',
    );
  });
  return { format: 'directory', header: parseArchiveHeader(header) };
}

function readTar(file: string, beginning: Buffer): DetectedDump {
  const first = beginning.toString('utf8', 0, 100).replace(/\0[^]*/, '');
  if (first === 'toc.dat')
    return { format: 'tar', header: parseArchiveHeader(beginning.subarray(TAR_BLOCK)) };
  throw notRestored(
    `${file} is a tar file, but not a dump of \`pg_dump --format=tar\`: its first entry is ${first}.`,
    `Extract it first: \`tar --extract --file ${file}\`. Then restore the extracted dump.`,
  );
}

/** Checks for the POSIX magic in the first member's header. */
function isTar(text: string): boolean {
  return text.slice(257, 262) === 'ustar';
}

function readPlain(file: string, text: string): DetectedDump {
  const isCompressedArchive = text.startsWith(ARCHIVE) || isTar(text);
  if (isCompressedArchive) {
    throw notRestored(
      `${file} is a pg_dump archive or a tar file that was compressed again with gzip.`,
      `Decompress it first: \`gunzip --keep ${file}\`. Then restore the result.`,
    );
  }
  if (UTF_16.test(text)) {
    throw notRestored(
      `${file} is UTF-16 text, which psql cannot read. PowerShell’s > writes it.`,
      `Convert it first: \`iconv --from-code=UTF-16 --to-code=UTF-8 --output dump.sql ${file}\`. Or create the dump with \`pg_dump --file\`.`,
    );
  }
  if (/^-- PostgreSQL database cluster dump/m.test(text)) {
    throw notRestored(
      `${file} is a dump of a complete server (pg_dumpall), and pgkeep restores one database.`,
      'Restore it with psql into an empty server, then dump the one database from there: `pg_dump --format=custom`.',
    );
  }
  if (!/^-- PostgreSQL database dump/m.test(text)) {
    throw notRestored(
      `${file} is not a dump: it does not begin like the output of pg_dump.`,
      'Give the path of a file that pg_dump or pgkeep wrote.',
    );
  }
  if (/^\\connect |; Type: DATABASE; /m.test(text)) throw connectsElsewhere(file);
  return { format: 'plain', header: plainHeader(text) };
}

/** Refuses a plain dump that would connect psql to another database, which may be in use. */
function connectsElsewhere(file: string): PgkeepError {
  return notRestored(
    `${file} contains psql’s command \\connect (pg_dump --create): its rows would be written into another database than the restored one.`,
    'Create the dump without --create, or with `pg_dump --format=custom`.',
  );
}

function plainHeader(text: string): ArchiveHeader | undefined {
  const serverVersion = /^-- Dumped from database version (\S+)/m.exec(text)?.[1];
  const pgDumpVersion = /^-- Dumped by pg_dump version (\S+)/m.exec(text)?.[1];
  return serverVersion && pgDumpVersion ? { serverVersion, pgDumpVersion } : undefined;
}

async function firstDecompressed(file: string): Promise<string> {
  const packed = createReadStream(file);
  const unpacked = packed.pipe(createGunzip());
  // An error of the file must reach the reader of `unpacked`, too.
  packed.once('error', (error) => unpacked.destroy(error));
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of unpacked) {
      chunks.push(Buffer.from(chunk));
      bytes += chunks.at(-1)?.length ?? 0;
      if (bytes >= BEGINNING_BYTES) break;
    }
  } catch (error) {
    if (!errorCode(error)?.startsWith('Z_')) throw error;
    // A file that is cut further on is detected by the restore.
    if (bytes === 0)
      throw notRestored(`${file} is damaged: gunzip cannot decompress it.`, 'Use another copy of it.');
  } finally {
    packed.destroy();
  }
  return Buffer.concat(chunks).toString('latin1');
}

async function firstBytes(file: string, count: number): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function notRestored(message: string, hint: string): PgkeepError {
  return new PgkeepError('USAGE_INVALID', message, { hint });
}

/** How many bytes of an archive are read for its header. */
const HEADER_BYTES = 4096;

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
  if (bytes.toString('latin1', 0, ARCHIVE.length) !== ARCHIVE) return undefined;
  try {
    const reader = new HeaderReader(bytes, ARCHIVE.length);
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
