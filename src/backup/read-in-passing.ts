import { once } from 'node:events';
import { requireSuccess, startProgram, type RunningProgram } from '../process/program.js';
import { toolEnvironment } from './libpq-environment.js';
import type { PostgresTool } from './postgres-tool.js';

/**
 * Passes an archive on, and has pg_restore turn the whole of it into SQL that nobody keeps. (`pg_restore --list` reads
 * the table of contents only, and finds no truncation.) All of it is passed on also where pg_restore finds a fault.
 * @throws ProgramFailure at the end, where it did.
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
      await give(program, piece);
      yield piece;
    }
    program.stdin.end();
    await requireSuccess('pg_restore', program);
  } finally {
    ending.abort();
    await program.ended;
  }
}

/** Where the program has ended already (it found a fault) there is nobody to give it to. */
async function give({ stdin, ended }: RunningProgram, piece: Buffer): Promise<void> {
  if (!stdin.writable || stdin.write(piece)) return;
  // The end closes stdin without a "drain"; whichever comes first.
  await Promise.race([once(stdin, 'drain').catch(() => undefined), ended]);
}
