import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { createGunzip } from 'node:zlib';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { HEADER_BYTES, parseArchiveHeader, type ArchiveHeader } from './archive-header.js';

/** The forms that are restored: pg_dump's `--format`. A plain dump may be gzipped. */
export type DumpFormat = 'custom' | 'directory' | 'tar' | 'plain';

/** What a dump is, told by its first bytes: a file from elsewhere may be called anything. */
export interface DumpKind {
  readonly format: DumpFormat;
  /** Undefined where the dump does not say: one without the comments that pg_dump writes. */
  readonly header: ArchiveHeader | undefined;
}

/** A plain dump's heading and settings, and those of the first sections. */
const BEGINNING_BYTES = 16_384;
const TAR_BLOCK = 512;
const GZIP = '\x1f\x8b';
/** Its mark, or every other byte of ASCII text is 0. */
const UTF_16 = /^(?:\xff\xfe|\xfe\xff|(?:[\t\n\r -~]\0){8}|(?:\0[\t\n\r -~]){8})/;

/** What people keep dumps in, by its first bytes, with the command that unpacks it. */
const PACKINGS: readonly { magic: string; name: string; unpack: string }[] = [
  { magic: '\x28\xb5\x2f\xfd', name: 'zstd', unpack: 'unzstd --keep' },
  { magic: '\xfd7zXZ', name: 'xz', unpack: 'unxz --keep' },
  { magic: 'BZh', name: 'bzip2', unpack: 'bunzip2 --keep' },
  { magic: '\x04\x22\x4d\x18', name: 'lz4', unpack: 'unlz4 --keep' },
  { magic: 'PK\x03\x04', name: 'zip', unpack: 'unzip' },
];

/**
 * Reads what kind of dump a file or directory is.
 * @throws PgkeepError `USAGE_INVALID` where pgkeep does not restore it, with what to do; the system's error.
 */
export async function readDumpKind(file: string): Promise<DumpKind> {
  if ((await stat(file)).isDirectory()) return await readDirectory(file);
  const beginning = await firstBytes(file, BEGINNING_BYTES);
  if (beginning.length === 0) throw notRestored(`${file} is empty.`, 'Make the dump again.');
  const text = beginning.toString('latin1');
  if (text.startsWith('PGDMP')) return { format: 'custom', header: parseArchiveHeader(beginning) };
  if (isTar(text)) return readTar(file, beginning);
  if (text.startsWith('age-encryption.org')) {
    throw notRestored(
      `${file} is encrypted, and has no manifest beside it that says how.`,
      'Put its manifest beside it, or decrypt it first: `age --decrypt --output FILE.dump FILE.dump.age`.',
    );
  }
  const packing = PACKINGS.find(({ magic }) => text.startsWith(magic));
  if (packing) {
    throw notRestored(
      `${file} is packed with ${packing.name}, which pgkeep does not unpack.`,
      `Unpack it first: \`${packing.unpack} ${file}\`, then restore what comes out.`,
    );
  }
  if (!text.startsWith(GZIP)) return readPlain(file, text);
  return readPlain(file, await firstUnpacked(file));
}

async function readDirectory(directory: string): Promise<DumpKind> {
  const header = await firstBytes(path.join(directory, 'toc.dat'), HEADER_BYTES).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
    throw notRestored(
      `${directory} is a directory without a file toc.dat: not one that \`pg_dump --format=directory\` wrote.`,
      'Name a dump, or the directory of one.',
    );
  });
  return { format: 'directory', header: parseArchiveHeader(header) };
}

function readTar(file: string, beginning: Buffer): DumpKind {
  const first = beginning.toString('utf8', 0, 100).replace(/\0[^]*/, '');
  if (first === 'toc.dat')
    return { format: 'tar', header: parseArchiveHeader(beginning.subarray(TAR_BLOCK)) };
  throw notRestored(
    `${file} is a tar file that \`pg_dump --format=tar\` did not write: it begins with ${first}.`,
    `Unpack it first: \`tar --extract --file ${file}\`, then restore what comes out.`,
  );
}

/** POSIX's mark at the end of a member's header. */
function isTar(text: string): boolean {
  return text.slice(257, 262) === 'ustar';
}

function readPlain(file: string, text: string): DumpKind {
  const isPacked = text.startsWith('PGDMP') || isTar(text);
  if (isPacked) {
    throw notRestored(
      `${file} is an archive of pg_dump or a tar file, packed with gzip once more.`,
      `Unpack it first: \`gunzip --keep ${file}\`, then restore what comes out.`,
    );
  }
  if (UTF_16.test(text)) {
    throw notRestored(
      `${file} is text in UTF-16, as PowerShell’s > writes it, and psql does not read that.`,
      `Convert it first: \`iconv --from-code=UTF-16 --to-code=UTF-8 --output dump.sql ${file}\`; or dump with \`pg_dump --file\`.`,
    );
  }
  if (/^-- PostgreSQL database cluster dump/m.test(text)) {
    throw notRestored(
      `${file} is a dump of all databases of a server (pg_dumpall), and pgkeep restores one.`,
      'Restore it with psql into a server of its own, and dump the one database from there: `pg_dump --format=custom`.',
    );
  }
  if (!/^-- PostgreSQL database dump/m.test(text)) {
    throw notRestored(
      `${file} is no dump: it does not begin as what pg_dump writes.`,
      'Name a file that pg_dump or pgkeep made.',
    );
  }
  if (/^\\connect |; Type: DATABASE; /m.test(text)) throw connectsElsewhere(file);
  return { format: 'plain', header: plainHeader(text) };
}

/** Of a plain dump that would leave the database which is restored for another one, which may be in use. */
function connectsElsewhere(file: string): PgkeepError {
  return notRestored(
    `${file} has psql’s command \\connect in it (pg_dump --create): its rows would go into another database than the one that is restored.`,
    'Make the dump without --create, or as `pg_dump --format=custom`.',
  );
}

function plainHeader(text: string): ArchiveHeader | undefined {
  const serverVersion = /^-- Dumped from database version (\S+)/m.exec(text)?.[1];
  const pgDumpVersion = /^-- Dumped by pg_dump version (\S+)/m.exec(text)?.[1];
  return serverVersion && pgDumpVersion ? { serverVersion, pgDumpVersion } : undefined;
}

async function firstUnpacked(file: string): Promise<string> {
  const packed = createReadStream(file);
  const unpacked = packed.pipe(createGunzip());
  // The reader of `unpacked` is to know of it, too.
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
    // What was cut further on is for the restore to find.
    if (bytes === 0)
      throw notRestored(`${file} is damaged: gunzip cannot unpack it.`, 'Take another copy of it.');
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
