import { Readable } from 'node:stream';
import type { BackupSettings, Settings } from '../../config/settings.js';
import { outputOf, startProgram } from '../../core/process/program.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { ArchiveEncryption } from '../backup.types.js';
import type { ArchiveKind } from '../catalog/backup-name.js';
import { ArchiveEncryptor } from '../encryption/age.js';
import { findKeys, recipientsOf } from '../encryption/keys.js';
import { findTool, type PostgresTool } from '../postgres-tools.js';
import { DigestMeter } from '../verify/digest-meter.js';
import { verifiedByPgRestore } from '../verify/verify-contents.js';
import type { DatabaseFacts } from './database-facts.js';
import { completeSql, gzipped } from './plain-dump.js';

/** What was read before the snapshot is taken. */
export interface Prepared {
  readonly facts: DatabaseFacts;
  readonly pgDump: PostgresTool;
  readonly lastBytes: number | undefined;
  readonly systemIdentifier: string | null;
}

/** The command line of pg_dump or pg_dumpall, as a plan. */
export interface DumpCommand {
  readonly program: 'pg_dump' | 'pg_dumpall';
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Transforms a program's output on its way into the storage. */
interface DumpWriter {
  through(dump: AsyncIterable<Buffer>): AsyncIterable<Buffer>;
  /** Returns how it was encrypted, after everything went through. */
  finish(): ArchiveEncryption | null;
}

/** Where a dump goes. */
export interface DumpTarget {
  readonly writer: DumpWriter;
  readonly signal: AbortSignal;
  /** Called with the number of bytes that went to the storage so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** Size, digest and encryption of what was written to the storage. */
export interface StoredDump {
  readonly bytes: number;
  readonly sha256: string;
  readonly encryption: ArchiveEncryption | null;
}

/** A stored dump, and the warnings of the program, which may have left something out. */
export interface Dumped {
  readonly stored: StoredDump;
  readonly warnings: readonly string[];
}

/**
 * Streams a program's output through the writer into the storage. The object appears under its key only if the program
 * succeeded. If the storage fails, the program is ended.
 * @throws ProgramFailure, what the storage throws, or the signal's reason.
 */
export async function dumpInto(
  storage: BackupStorage,
  key: string,
  { program: name, file, argv, env }: DumpCommand,
  { writer, signal, onBytes }: DumpTarget,
): Promise<Dumped> {
  const ending = new AbortController();
  const program = await startProgram(file, argv, { env, signal: AbortSignal.any([signal, ending.signal]) });
  program.stdin.end();
  try {
    const meter = new DigestMeter(onBytes);
    const archive = writer.through(outputOf(name, program));
    const body = Readable.from(meter.through(archive), { objectMode: false });
    const { bytes } = await storage.put(key, body, { signal });
    if (bytes !== meter.bytes) {
      throw new Error(`${meter.bytes} bytes were written, ${storage.location} stored ${bytes}`);
    }
    const { stderrTail } = await program.ended;
    return {
      stored: { bytes, sha256: meter.digest(), encryption: writer.finish() },
      warnings: stderrTail.split('\n').filter((line) => line.startsWith(`${name}: warning: `)),
    };
  } finally {
    ending.abort();
    program.stdout.destroy();
    await program.ended;
  }
}

/** The first bytes of an encrypted archive are its header, not the dump. */
export const LARGEST_HEADER = 65_536;

/**
 * Streams a dump into the storage, and checks once that the objects which it describes still exist: when the first bytes
 * arrive, pg_dump has read all the structure.
 * @throws what `requireUnchanged` and {@link dumpInto} throw.
 */
export async function dumpWatched(
  storage: BackupStorage,
  key: string,
  command: DumpCommand,
  { requireUnchanged, ...target }: DumpTarget & { readonly requireUnchanged: () => Promise<void> },
): Promise<Dumped> {
  const changed = new AbortController();
  const signal = AbortSignal.any([target.signal, changed.signal]);
  let check: Promise<void> | undefined;
  const checkOnce = async (): Promise<void> => {
    check ??= requireUnchanged().catch((error: unknown) => changed.abort(error));
    await check;
  };
  const onBytes = (bytes: number): void => {
    if (bytes > LARGEST_HEADER) void checkOnce();
    target.onBytes?.(bytes);
  };
  try {
    const dumped = await dumpInto(storage, key, command, { ...target, signal, onBytes });
    await checkOnce();
    changed.signal.throwIfAborted();
    return dumped;
  } catch (error) {
    await check;
    // If the check failed, the program was ended and failed as well: the check's failure is the cause.
    changed.signal.throwIfAborted();
    throw error;
  }
}

/** Passes an archive on, and fails if it is not complete. */
type ArchiveCheck = (archive: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

/** Writes one archive of a database. */
export class ArchiveWriter implements DumpWriter {
  readonly kind: ArchiveKind;
  private readonly encryptor: ArchiveEncryptor;

  constructor(
    { encryption, format }: Pick<BackupSettings, 'encryption' | 'format'>,
    /** For a plain dump; pg_dump compresses the custom format itself. */
    private readonly gzipLevel: number,
    /** Verifies the custom format before it is encrypted, if this machine cannot decrypt it afterwards. */
    private readonly check: ArchiveCheck,
  ) {
    this.encryptor = new ArchiveEncryptor(encryption);
    this.kind = { format, encryption: this.encryptor.isOn ? {} : null };
  }

  through(dump: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    const isCustom = this.kind.format === 'custom';
    return this.encryptor.through(
      isCustom ? this.check(dump) : gzipped(completeSql(dump, 'database'), this.gzipLevel),
    );
  }

  finish(): ArchiveEncryption | null {
    return this.encryptor.finish();
  }
}

/** Returns a check with pg_restore if this machine cannot decrypt the archive afterwards; otherwise one that does nothing. */
export async function archiveCheckFor(
  { major: atLeastMajor }: PostgresTool,
  { backup, searchPath }: Pick<Settings, 'backup' | 'searchPath'>,
  signal: AbortSignal,
): Promise<ArchiveCheck> {
  const { enabled, key } = backup.encryption;
  const found = enabled && key && (await findKeys('', recipientsOf(key), backup.encryption));
  if (!found || 'value' in found) return (archive) => archive;
  const pgRestore = await findTool({ program: 'pg_restore', atLeastMajor, searchPath });
  return (archive) => verifiedByPgRestore(archive, pgRestore, signal);
}
