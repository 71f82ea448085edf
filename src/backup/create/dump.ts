import { Readable } from 'node:stream';
import { outputOf, startProgram } from '../../core/process/program.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { DumpWriter } from './archive-writer.js';
import type { ArchiveEncryption } from '../backup.types.js';
import type { DatabaseFacts } from './database-facts.js';
import { DigestMeter } from '../verify/digest-meter.js';
import type { PostgresTool } from '../postgres-tools.js';

/** What is known before the snapshot is taken. */
export interface Prepared {
  readonly facts: DatabaseFacts;
  readonly pgDump: PostgresTool;
  readonly lastBytes: number | undefined;
  readonly systemIdentifier: string | null;
}

/** One run of pg_dump or pg_dumpall, planned. */
export interface DumpCommand {
  readonly program: 'pg_dump' | 'pg_dumpall';
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a dump goes through. */
export interface DumpTarget {
  readonly writer: DumpWriter;
  readonly signal: AbortSignal;
  /** Is told how many bytes went to the storage so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** What went into the storage, as it was on its way there. */
export interface StoredDump {
  readonly bytes: number;
  readonly sha256: string;
  readonly encryption: ArchiveEncryption | null;
}

/** What went into the storage, and what the program warned of: it may have left something out. */
export interface Dumped {
  readonly stored: StoredDump;
  readonly warnings: readonly string[];
}

/**
 * Streams a program's output through the writer into the storage. The object appears under its key only when the
 * program ended well; the program does not outlive a storage that fails.
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
      throw new Error(`${meter.bytes} bytes were written, ${storage.location} took ${bytes}`);
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

/** An encrypted archive has a header before there is anything of the dump in it. */
export const LARGEST_HEADER = 65_536;

/**
 * Streams a dump into the storage, and looks once whether what it describes is still there: when the first bytes come,
 * pg_dump has read the whole structure.
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
  let looking: Promise<void> | undefined;
  const lookOnce = async (): Promise<void> => {
    looking ??= requireUnchanged().catch((error: unknown) => changed.abort(error));
    await looking;
  };
  const onBytes = (bytes: number): void => {
    if (bytes > LARGEST_HEADER) void lookOnce();
    target.onBytes?.(bytes);
  };
  try {
    const dumped = await dumpInto(storage, key, command, { ...target, signal, onBytes });
    await lookOnce();
    changed.signal.throwIfAborted();
    return dumped;
  } catch (error) {
    await looking;
    // The program that was ended for it fails as well.
    changed.signal.throwIfAborted();
    throw error;
  }
}
