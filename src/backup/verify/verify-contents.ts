import { once } from 'node:events';
import type { ArchiveFormat } from '../../config/settings.js';
import { errorCode, messageOf } from '../../core/errors.js';
import { ProgramFailure } from '../../core/process/program-failure.js';
import { requireSuccess, type RunningProgram, startProgram } from '../../core/process/program.js';
import { ClosingLine, gunzipped } from '../create/plain-dump.js';
import { DigestMeter } from './digest-meter.js';
import { unseal } from '../encryption/decrypt.js';
import type { OpeningKeys } from '../encryption/keys.js';
import { PassphraseRefused, SealBroken } from '../encryption/payload.js';
import { type PostgresTool, toolEnvironment } from '../postgres-tools.js';

/** What it takes to look into an archive. */
export interface Inspection {
  /** Undefined where the archive is not encrypted. */
  readonly keys: OpeningKeys | undefined;
  readonly format: ArchiveFormat;
  /** Looked for only where the format needs it. @throws PgkeepError `BACKUP_TOOLS_MISSING`. */
  readonly findPgRestore: () => Promise<PostgresTool>;
}

/** What is inside an archive. */
export interface Inside {
  /** Why it is not taken for a whole archive; undefined where it is. */
  readonly fault: string | undefined;
  /** Of the archive inside, where it is encrypted and was opened. */
  readonly plain: { readonly bytes: number; readonly sha256: string } | undefined;
  /** Why it was not opened at all. */
  readonly closed: string | undefined;
}

const NOTHING: Inside = { fault: undefined, plain: undefined, closed: undefined };

/**
 * Opens an archive where it is encrypted, and reads it to its end: pg_restore its own format; a plain dump
 * must unpack, and end with pg_dump's closing line.
 */
export async function inspectArchive(
  stored: AsyncIterable<Buffer>,
  { keys, format, findPgRestore }: Inspection,
  signal: AbortSignal,
): Promise<Inside> {
  const meter = new DigestMeter();
  try {
    const archive = keys === undefined ? stored : meter.through(unseal(stored, keys));
    const fault =
      format === 'custom'
        ? await readByPgRestore(archive, await findPgRestore(), signal)
        : await readSql(archive);
    const plain = keys === undefined ? undefined : { bytes: meter.bytes, sha256: meter.digest() };
    return { ...NOTHING, fault, plain };
  } catch (error) {
    if (error instanceof SealBroken) return { ...NOTHING, fault: error.message };
    if (error instanceof PassphraseRefused) return { ...NOTHING, closed: error.message };
    throw error;
  }
}

/** @returns the fault that it found. */
async function readSql(archive: AsyncIterable<Buffer>): Promise<string | undefined> {
  const closing = new ClosingLine();
  try {
    const sql = closing.watch(gunzipped(archive));
    for (let next = await sql.next(); !next.done;) next = await sql.next();
  } catch (error) {
    if (errorCode(error)?.startsWith('Z_')) return `gunzip: ${messageOf(error)}`;
    throw error;
  }
  return closing.wasSeen ? undefined : 'it does not end with "PostgreSQL database dump complete": it was cut';
}

/** @returns the fault that it found. */
async function readByPgRestore(
  archive: AsyncIterable<Buffer>,
  pgRestore: PostgresTool,
  signal: AbortSignal,
): Promise<string | undefined> {
  const passed = readInPassing(archive, pgRestore, signal);
  try {
    for (let next = await passed.next(); !next.done;) next = await passed.next();
    return undefined;
  } catch (error) {
    if (error instanceof ProgramFailure) return error.message;
    throw error;
  }
}

/**
 * Passes an archive on, and has pg_restore turn the whole of it into SQL that nobody keeps. (`pg_restore --list` reads
 * the table of contents only, and finds no truncation.)
 * @throws ProgramFailure as soon as it finds a fault.
 */
export async function* readInPassing(
  archive: AsyncIterable<Buffer>,
  pgRestore: PostgresTool,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const ending = new AbortController();
  const program = await startProgram(pgRestore.file, ['--file=/dev/null'], {
    env: toolEnvironment(pgRestore),
    signal: AbortSignal.any([signal, ending.signal]),
  });
  program.stdout.resume();
  try {
    for await (const piece of archive) {
      // It has no use for bytes behind the archive's end: only where it ended well there is nobody to give them to.
      if (program.stdin.writable) await give(program, piece);
      else await requireSuccess('pg_restore', program);
      yield piece;
    }
    program.stdin.end();
    await requireSuccess('pg_restore', program);
  } finally {
    ending.abort();
    await program.ended;
  }
}

async function give({ stdin, ended }: RunningProgram, piece: Buffer): Promise<void> {
  if (stdin.write(piece)) return;
  // The end closes stdin without a "drain"; whichever comes first.
  await Promise.race([once(stdin, 'drain').catch(() => undefined), ended]);
}
