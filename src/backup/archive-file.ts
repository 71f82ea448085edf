import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { KeepError } from '../errors.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { archiveKey } from './backup-name.js';
import type { Manifest } from './backup.types.js';
import { DigestMeter } from './digest-meter.js';
import { archiveFindings } from './verify-archive.js';

/** A backup whose archive lies on this machine: every byte was read, and is what the manifest says. */
export interface ArchiveFile {
  readonly name: string;
  readonly manifest: Manifest;
  /** What pg_restore takes. Never a stream: a cut is known only at its end, when half of it would be restored. */
  readonly file: string;
}

/**
 * Runs `use` with a backup's archive as a file. Where the storage is a directory of this machine that is the
 * stored file itself, read once for its digest; else a copy in a private directory that is gone afterwards.
 * @throws KeepError `BACKUP_DAMAGED` before `use` is called; what the storage or `use` throws.
 */
export async function withArchiveFile<T>(
  storage: BackupStorage,
  { name, manifest }: { name: string; manifest: Manifest },
  signal: AbortSignal,
  use: (archive: ArchiveFile) => Promise<T>,
): Promise<T> {
  const key = archiveKey(name);
  const stored = storage.pathOf?.(key);
  if (stored !== undefined) {
    requireAsDumped(storage, manifest, await digest(await storage.get(key), signal));
    return await use({ name, manifest, file: stored });
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'pgkeep-archive-'));
  try {
    const file = path.join(directory, key);
    const meter = new DigestMeter();
    const body = Readable.from(meter.through(await storage.get(key)), { objectMode: false });
    await pipeline(body, createWriteStream(file, { mode: 0o600 }), { signal });
    requireAsDumped(storage, manifest, meter);
    return await use({ name, manifest, file });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function digest(body: Readable, signal: AbortSignal): Promise<DigestMeter> {
  const meter = new DigestMeter();
  await pipeline(
    body,
    async (source: AsyncIterable<Buffer>) => {
      for await (const chunk of source) meter.add(chunk);
    },
    { signal },
  );
  return meter;
}

function requireAsDumped(storage: BackupStorage, manifest: Manifest, meter: DigestMeter): void {
  const findings = archiveFindings(manifest, {
    bytes: meter.bytes,
    sha256: meter.digest(),
    fault: undefined,
  });
  if (findings.length === 0) return;
  throw new KeepError(
    'BACKUP_DAMAGED',
    `${manifest.archive} in ${storage.location} is not what was dumped: ${findings.map(({ details }) => details).join('; ')}.`,
    { hint: 'Take another backup (`pgkeep backup list`), or this one’s copy elsewhere.' },
  );
}
