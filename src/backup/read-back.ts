import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { requireSuccess, startProgram, type RunningProgram } from '../process/program.js';
import { ProgramFailure } from '../process/program-failure.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { DigestMeter } from './digest-meter.js';
import { toolEnvironment } from './libpq-environment.js';
import type { PostgresTool } from './postgres-tool.js';

/** What the stored bytes are. */
export interface ReadBack {
  readonly bytes: number;
  readonly sha256: string;
  /** Why pg_restore does not take them for a whole archive; undefined where it does. */
  readonly fault: string | undefined;
}

/**
 * Reads an archive from the storage, every byte of it: digests it, and has pg_restore turn the whole of it into
 * SQL that nobody keeps. (`pg_restore --list` reads the table of contents only, and finds no truncation.)
 * @throws what the storage throws, or the signal's reason.
 */
export async function readBack(
  storage: BackupStorage,
  key: string,
  pgRestore: PostgresTool,
  signal: AbortSignal,
): Promise<ReadBack> {
  const meter = new DigestMeter();
  const body = await storage.get(key);
  try {
    const env = toolEnvironment(pgRestore);
    const program = await startProgram(pgRestore.file, ['--file=/dev/null'], { env, signal });
    program.stdout.resume();
    await feed(body, program, meter);
    const fault = await requireSuccess('pg_restore', program).then(() => undefined, faultOf);
    signal.throwIfAborted();
    return { bytes: meter.bytes, sha256: meter.digest(), fault };
  } finally {
    body.destroy();
  }
}

/** Gives the program everything; where it has ended already (it found a fault) the rest is only digested. */
async function feed(body: Readable, { stdin, ended }: RunningProgram, meter: DigestMeter): Promise<void> {
  for await (const chunk of body) {
    const piece = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    meter.add(piece);
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
