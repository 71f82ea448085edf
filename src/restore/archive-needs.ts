import { once } from 'node:events';
import { Readable } from 'node:stream';
import { toolEnvironment } from '../backup/libpq-environment.js';
import { gunzipped } from '../backup/plain-dump.js';
import type { PostgresTool } from '../backup/postgres-tool.js';
import { requireSuccess, startProgram, type RunningProgram } from '../core/process/program.js';
import { readNeeds, type ArchiveNeeds } from './archive-contents.js';
import { withoutGuard } from './without-guard.js';

const GZIP = Buffer.from([0x1f, 0x8b]);
const DEFINITIONS = ['--create', '--schema-only', '--file=-'];

/**
 * Reads what an archive needs of a server. Of PostgreSQL's own format the beginning is enough: the rest of the stream
 * is not read.
 * @param pgRestore undefined for a plain dump
 * @throws ProgramFailure where it cannot be read.
 */
export async function needsOf(
  archive: Readable,
  { pgRestore, signal }: { pgRestore: PostgresTool | undefined; signal: AbortSignal },
): Promise<ArchiveNeeds> {
  try {
    if (pgRestore) return await needsOfCustom(archive, pgRestore, signal);
    return await readOwn(unpacked(archive));
  } finally {
    archive.destroy();
  }
}

/** The same of an archive on this machine, in any form that pg_restore reads. @throws ProgramFailure. */
export async function needsOfFile(
  file: string,
  pgRestore: PostgresTool,
  signal: AbortSignal,
): Promise<ArchiveNeeds> {
  const env = toolEnvironment(pgRestore);
  const program = await startProgram(pgRestore.file, [...DEFINITIONS, file], { env, signal });
  program.stdin.end();
  const needs = await readOwn(program.stdout);
  await requireSuccess('pg_restore', program);
  return needs;
}

async function needsOfCustom(
  archive: Readable,
  pgRestore: PostgresTool,
  signal: AbortSignal,
): Promise<ArchiveNeeds> {
  const program = await startProgram(pgRestore.file, DEFINITIONS, {
    env: toolEnvironment(pgRestore),
    signal,
  });
  const fed = feed(archive, program);
  const needs = await readOwn(program.stdout);
  await requireSuccess('pg_restore', program);
  archive.destroy();
  await fed;
  return needs;
}

/** Gives bytes until the program has enough: it ends before the rows begin. */
async function feed(archive: Readable, { stdin, ended }: RunningProgram): Promise<void> {
  try {
    for await (const piece of archive) {
      if (!stdin.writable) return;
      if (!stdin.write(piece)) await Promise.race([once(stdin, 'drain').catch(() => undefined), ended]);
    }
  } catch {
    // A stream that breaks is an archive that is cut: pg_restore says so.
  } finally {
    stdin.end();
  }
}

async function readOwn(sql: AsyncIterable<Buffer>): Promise<ArchiveNeeds> {
  return await readNeeds(
    Readable.from(
      withoutGuard(sql, () => undefined),
      { objectMode: false },
    ),
  );
}

/** The text of a plain dump, whether it is gzipped or not. */
export async function* unpacked(stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = stored[Symbol.asyncIterator]();
  const first = await source.next();
  if (first.done) return;
  const all = continued(first.value, source);
  yield* first.value.subarray(0, GZIP.length).equals(GZIP) ? gunzipped(all) : all;
}

async function* continued(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
