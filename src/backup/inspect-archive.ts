import { once } from 'node:events';
import type { ArchiveFormat } from '../config/settings.js';
import { errorCode, messageOf } from '../errors.js';
import { requireSuccess, startProgram, type RunningProgram } from '../process/program.js';
import { ProgramFailure } from '../process/program-failure.js';
import { DigestMeter } from './digest-meter.js';
import { toolEnvironment } from './libpq-environment.js';
import { ClosingLine, gunzipped } from './plain-dump.js';
import type { PostgresTool } from './postgres-tool.js';
import { PassphraseRefused, SealBroken } from './seal/seal-broken.js';
import { unseal, type OpeningKeys } from './seal/unseal.js';

/** What it takes to look into an archive. */
export interface Inspection {
  /** Undefined where the archive is not encrypted. */
  readonly keys: OpeningKeys | undefined;
  readonly format: ArchiveFormat;
  /** Looked for only where the format needs it. @throws KeepError `BACKUP_TOOLS_MISSING`. */
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
 * Opens an archive where it is encrypted, and reads it to its end: pg_restore turns the whole of its own format into
 * SQL that nobody keeps (`pg_restore --list` reads the table of contents only, and finds no truncation); a plain dump
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
  const ending = new AbortController();
  const program = await startProgram(pgRestore.file, ['--file=/dev/null'], {
    env: toolEnvironment(pgRestore),
    signal: AbortSignal.any([signal, ending.signal]),
  });
  program.stdout.resume();
  try {
    await feed(archive, program);
    return await requireSuccess('pg_restore', program).then(() => undefined, faultOf);
  } finally {
    ending.abort();
    await program.ended;
  }
}

/** Gives the program everything; where it has ended already (it found a fault) the rest is only read. */
async function feed(archive: AsyncIterable<Buffer>, { stdin, ended }: RunningProgram): Promise<void> {
  for await (const piece of archive) {
    if (!stdin.writable || stdin.write(piece)) continue;
    // The end closes stdin without a "drain"; whichever comes first.
    await Promise.race([once(stdin, 'drain').catch(() => undefined), ended]);
  }
  stdin.end();
}

function faultOf(error: unknown): string {
  if (error instanceof ProgramFailure) return error.message;
  throw error;
}
