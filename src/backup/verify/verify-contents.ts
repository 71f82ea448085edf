import { once } from 'node:events';
import type { ArchiveFormat } from '../../config/settings.js';
import { errorCode, messageOf } from '../../core/errors.js';
import { destroyOnAbort } from '../../core/process/concurrent.js';
import { ProgramFailure } from '../../core/process/program-failure.js';
import { requireSuccess, type RunningProgram, startProgram } from '../../core/process/program.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { ClosingLine, gunzipped } from '../create/plain-dump.js';
import { decrypt, DecryptionFailed, WrongPassphrase } from '../encryption/age.js';
import type { DecryptionKeys } from '../encryption/keys.js';
import { type PostgresTool, toolEnvironment } from '../postgres-tools.js';
import { DigestMeter } from './digest-meter.js';

/** What is needed to check the contents of an archive. */
export interface ContentsCheck {
  /** Undefined if the archive is not encrypted. */
  readonly keys: DecryptionKeys | undefined;
  readonly format: ArchiveFormat;
  /** Called only if the format needs it. @throws PgkeepError `BACKUP_TOOLS_MISSING`. */
  readonly findPgRestore: () => Promise<PostgresTool>;
}

/** The result of checking the contents of an archive. */
export interface ArchiveContents {
  /** Why it is not a complete archive; undefined if it is one. */
  readonly fault: string | undefined;
  /** Size and digest before the encryption, if it is encrypted and was decrypted. */
  readonly plain: { readonly bytes: number; readonly sha256: string } | undefined;
  /** Why it could not be decrypted. */
  readonly notDecrypted: string | undefined;
}

/** Size, digest and contents of an archive, as it was read from its storage. */
export interface StoredArchive extends ArchiveContents {
  readonly bytes: number;
  readonly sha256: string;
}

/** The contents of an archive that was not checked. */
const NOT_CHECKED: ArchiveContents = { fault: undefined, plain: undefined, notDecrypted: undefined };

/**
 * Decrypts an archive if it is encrypted, and reads it to its end: pg_restore must be able to read the custom format; a
 * plain dump must be valid gzip and end with pg_dump's closing line.
 */
export async function verifyContents(
  stored: AsyncIterable<Buffer>,
  { keys, format, findPgRestore }: ContentsCheck,
  signal: AbortSignal,
): Promise<ArchiveContents> {
  const meter = new DigestMeter();
  try {
    const archive = keys === undefined ? stored : meter.through(decrypt(stored, keys));
    const fault =
      format === 'custom'
        ? await verifyWithPgRestore(archive, await findPgRestore(), signal)
        : await verifySql(archive);
    const plain = keys === undefined ? undefined : { bytes: meter.bytes, sha256: meter.digest() };
    return { fault, plain, notDecrypted: undefined };
  } catch (error) {
    if (error instanceof DecryptionFailed) return { ...NOT_CHECKED, fault: error.message };
    if (error instanceof WrongPassphrase) return { ...NOT_CHECKED, notDecrypted: error.message };
    throw error;
  }
}

/** Checks a plain dump. @returns its fault, if any. */
async function verifySql(archive: AsyncIterable<Buffer>): Promise<string | undefined> {
  const closing = new ClosingLine();
  try {
    const sql = closing.watch(gunzipped(archive));
    for (let next = await sql.next(); !next.done;) next = await sql.next();
  } catch (error) {
    if (errorCode(error)?.startsWith('Z_')) return `gunzip: ${messageOf(error)}`;
    throw error;
  }
  return closing.wasSeen
    ? undefined
    : 'it is truncated: the closing line "PostgreSQL database dump complete" is missing';
}

/** Checks an archive of the custom format. @returns its fault, if any. */
async function verifyWithPgRestore(
  archive: AsyncIterable<Buffer>,
  pgRestore: PostgresTool,
  signal: AbortSignal,
): Promise<string | undefined> {
  const passed = verifiedByPgRestore(archive, pgRestore, signal);
  try {
    for (let next = await passed.next(); !next.done;) next = await passed.next();
    return undefined;
  } catch (error) {
    if (error instanceof ProgramFailure) return error.message;
    throw error;
  }
}

/**
 * Passes an archive on while pg_restore converts all of it into SQL, which is discarded. (`pg_restore --list` reads only
 * the table of contents and does not notice a truncated archive.)
 * @throws ProgramFailure as soon as pg_restore finds a fault.
 */
export async function* verifiedByPgRestore(
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
      // pg_restore may end before it has read the last bytes. If it succeeded, the rest is only passed on.
      if (program.stdin.writable) await writeTo(program, piece);
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

async function writeTo({ stdin, ended }: RunningProgram, piece: Buffer): Promise<void> {
  if (stdin.write(piece)) return;
  // If the program ends, stdin is closed without a "drain" event.
  await Promise.race([once(stdin, 'drain').catch(() => undefined), ended]);
}

/**
 * Reads every byte of an archive from its storage: computes the digest, and checks the contents if there is a check.
 * @throws what the storage throws, or the signal's reason.
 */
export async function readStoredArchive(
  storage: BackupStorage,
  key: string,
  check: ContentsCheck | undefined,
  { signal, onBytes }: { signal: AbortSignal; onBytes?: ((bytes: number) => void) | undefined },
): Promise<StoredArchive> {
  const meter = new DigestMeter(onBytes);
  const body = destroyOnAbort(signal, await storage.get(key));
  try {
    const stored = meter.through(body);
    // Without return(): if the check stops at a fault, the rest is still read for the digest.
    const resumable = { [Symbol.asyncIterator]: () => ({ next: () => stored.next() }) };
    const contents: ArchiveContents =
      check === undefined ? NOT_CHECKED : await verifyContents(resumable, check, signal);
    let next = await stored.next();
    while (!next.done) next = await stored.next();
    return { ...contents, bytes: meter.bytes, sha256: meter.digest() };
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    body.destroy();
  }
}
