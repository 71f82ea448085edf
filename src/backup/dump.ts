import { Readable } from 'node:stream';
import { outputOf, startProgram } from '../process/program.js';
import type { BackupStorage } from '../storage/storage.types.js';
import type { ArchiveWriter } from './archive-writer.js';
import type { ArchiveEncryption } from './backup.types.js';
import { DigestMeter } from './digest-meter.js';

/** One run of pg_dump, planned. */
export interface DumpCommand {
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What went into the storage, as it was on its way there. */
export interface StoredDump {
  readonly bytes: number;
  readonly sha256: string;
  readonly encryption: ArchiveEncryption | null;
}

/**
 * Streams pg_dump's output through the writer into the storage. The archive appears under its key only when pg_dump ended well;
 * pg_dump does not outlive a storage that fails.
 * @throws ProgramFailure, what the storage throws, or the signal's reason.
 */
export async function dumpInto(
  storage: BackupStorage,
  key: string,
  { file, argv, env }: DumpCommand,
  writer: ArchiveWriter,
  signal: AbortSignal,
): Promise<StoredDump> {
  const ending = new AbortController();
  const program = await startProgram(file, argv, { env, signal: AbortSignal.any([signal, ending.signal]) });
  program.stdin.end();
  try {
    const meter = new DigestMeter();
    const archive = writer.through(outputOf('pg_dump', program));
    const body = Readable.from(meter.through(archive), { objectMode: false });
    const { bytes } = await storage.put(key, body, { signal });
    if (bytes !== meter.bytes) {
      throw new Error(`${meter.bytes} bytes were written, ${storage.location} took ${bytes}`);
    }
    return { bytes, sha256: meter.digest(), encryption: writer.finish() };
  } finally {
    ending.abort();
    program.stdout.destroy();
    await program.ended;
  }
}
