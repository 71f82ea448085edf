import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { createGunzip } from 'node:zlib';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { type ArchiveHeader, HEADER_BYTES, parseArchiveHeader } from './archive-header.js';

/** The formats that can be restored, as pg_dump's `--format` names them. A plain dump may be gzipped. */
export type DumpFormat = 'custom' | 'directory' | 'tar' | 'plain';

/** The format of a dump, detected from its first bytes: another tool's file may have any name. */
export interface DetectedDump {
  readonly format: DumpFormat;
  /** Undefined if the dump does not contain it: it was written without pg_dump's comments. */
  readonly header: ArchiveHeader | undefined;
}

/** Enough for a plain dump's heading, its settings and its first entries. */
const BEGINNING_BYTES = 16_384;
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
  if (text.startsWith('PGDMP')) return { format: 'custom', header: parseArchiveHeader(beginning) };
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
  const isCompressedArchive = text.startsWith('PGDMP') || isTar(text);
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
