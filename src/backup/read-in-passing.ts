import { once } from 'node:events';
import { requireSuccess, startProgram, type RunningProgram } from '../core/process/program.js';
import { toolEnvironment } from './libpq-environment.js';
import type { PostgresTool } from './postgres-tool.js';

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
