import { once } from 'node:events';
import { constants, createReadStream } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { errorCode, messageOf, PgkeepError } from '../../core/errors.js';
import type { BackupStorage, PutOptions, StoredObject } from '../storage.types.js';
import { sourceOf, uploading } from '../streams.js';

/** The suffix of an unfinished file; its name also begins with a dot, so that `ls` and `list` skip it. */
const UNFINISHED = '.part';
/** Files are read and written in chunks of about this size. */
const CHUNK_BYTES = 1 << 20;

/** Stores backups in a directory that only its owner can enter, as files that only their owner can read. */
export class LocalStorage implements BackupStorage {
  constructor(readonly location: string) {}

  async put(key: string, body: Readable, { signal }: PutOptions): Promise<{ bytes: number }> {
    const file = this.pathOf(key);
    const temporary = temporaryOf(file);
    return await uploading(
      body,
      signal,
      async () => {
        try {
          await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
          const bytes = await fill(temporary, sourceOf(body, signal));
          signal.throwIfAborted();
          await rename(temporary, file);
          await syncDirectory(path.dirname(file));
          return { bytes };
        } catch (error) {
          // The first failure is reported. A temporary file that cannot be removed is never listed.
          await rm(temporary, { force: true }).catch(() => undefined);
          throw error;
        }
      },
      (error) => storageError('write', this.location, error),
    );
  }

  async get(key: string): Promise<Readable> {
    const stream = createReadStream(this.pathOf(key), { highWaterMark: CHUNK_BYTES });
    // Opened before it is returned, so that a missing file is reported here and not while reading.
    await this.explained('read', () => once(stream, 'open'));
    return stream;
  }

  async head(key: string): Promise<{ bytes: number; modifiedAt: Date } | undefined> {
    return await this.explained('read', async () => {
      const found = await stat(this.pathOf(key)).catch(ifAbsent(undefined));
      return found?.isFile() ? { bytes: found.size, modifiedAt: found.mtime } : undefined;
    });
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    for (const key of await this.keys()) {
      if (!key.startsWith(prefix) || isTemporary(key)) continue;
      const found = await this.head(key);
      // It may have been removed in the meantime.
      if (found) yield { key, ...found };
    }
  }

  async delete(key: string): Promise<void> {
    const file = this.pathOf(key);
    await this.explained('remove a file of', async () => {
      await rm(file, { force: true });
      await rm(temporaryOf(file), { force: true });
    });
  }

  async discardUnfinished(before: Date): Promise<void> {
    for (const key of await this.keys()) {
      const found = isTemporary(key) ? await this.head(key) : undefined;
      if (found && found.modifiedAt < before)
        await this.explained('remove a file of', () => rm(this.pathOf(key)));
    }
  }

  async freeBytes(): Promise<number> {
    return await this.explained('write', async () => {
      await mkdir(this.location, { recursive: true, mode: 0o700 });
      await access(this.location, constants.W_OK | constants.X_OK);
      const { bavail, bsize } = await statfs(this.location);
      return bavail * bsize;
    });
  }

  /** Returns the file of a key. A person may have typed the key: it must not lead out of the directory. */
  pathOf(key: string): string {
    const file = path.resolve(this.location, key);
    if (file.startsWith(path.resolve(this.location) + path.sep)) return file;
    throw new PgkeepError('STORAGE_OBJECT_MISSING', `"${key}" not found in ${this.location}.`);
  }

  private async keys(): Promise<string[]> {
    return await this.explained('read', async () => {
      const entries = await readdir(this.location, { recursive: true }).catch(ifAbsent<string[]>([]));
      return entries.map((entry) => entry.split(path.sep).join('/')).toSorted();
    });
  }

  private async explained<T>(operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storageError(operation, this.location, error);
    }
  }
}

function temporaryOf(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}${UNFINISHED}`);
}

function isTemporary(key: string): boolean {
  const name = path.posix.basename(key);
  return name.startsWith('.') && name.endsWith(UNFINISHED);
}

function ifAbsent<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (errorCode(error) === 'ENOENT') return value;
    throw error;
  };
}

/** Writes the stream to a new file and syncs it. */
async function fill(file: string, source: AsyncIterable<Buffer>): Promise<number> {
  const handle = await open(file, 'w', 0o600);
  let bytes = 0;
  try {
    for await (const piece of inPieces(source)) {
      await handle.writeFile(piece);
      bytes += piece.length;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return bytes;
}

/** Combines small chunks: pg_dump writes 7 kB at a time, and each write costs a turn of the thread pool. */
async function* inPieces(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < CHUNK_BYTES) continue;
    yield Buffer.concat(chunks, bytes);
    chunks = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(chunks, bytes);
}

/** A rename is durable only when its directory is. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The user may not write there. */
const DENIED = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR']);

/** The disk is full. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Returns the error for a failure of the file system; `operation` completes "Cannot … DIRECTORY". */
function storageError(operation: string, location: string, cause: unknown): PgkeepError {
  if (cause instanceof PgkeepError) return cause;
  const code = errorCode(cause) ?? String(cause);
  const message = `Cannot ${operation} ${location}: ${messageOf(cause)}`;
  if (FULL.has(code)) {
    return new PgkeepError('STORAGE_FULL', message, {
      hint: 'Free space there, or set BACKUP_DIR to a directory on a larger disk.',
      cause,
    });
  }
  if (code === 'ENOENT') {
    return new PgkeepError('STORAGE_OBJECT_MISSING', message, {
      hint: 'Check BACKUP_DIR. Run `pgkeep backup list` to see the backups.',
      cause,
    });
  }
  return new PgkeepError('STORAGE_FAILED', message, {
    hint: DENIED.has(code)
      ? 'Set BACKUP_DIR to a directory that this user may write to.'
      : 'Check the disk of that directory, and the system’s log.',
    cause,
  });
}
