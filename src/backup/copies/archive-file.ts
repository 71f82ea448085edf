import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Logger } from '@nestjs/common';
import type { EncryptionSettings } from '../../config/settings.js';
import { errorCode, messageOf, PgkeepError } from '../../core/errors.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { Manifest } from '../backup.types.js';
import type { BackupCopy, UnreadableCopy } from '../catalog/backup-catalog.js';
import { archiveKey } from '../catalog/backup-name.js';
import { unseal } from '../encryption/decrypt.js';
import { keysHere, type OpeningKeys } from '../encryption/keys.js';
import { PassphraseRefused, SealBroken } from '../encryption/payload.js';
import { DigestMeter } from '../verify/digest-meter.js';
import { archiveFindings } from '../verify/verify-backup.js';
import { readBack, type ReadBack } from '../verify/verify-bytes.js';

/** A backup whose archive lies on this machine: every byte was read, and is what the manifest says. */
export interface ArchiveFile {
  readonly name: string;
  readonly manifest: Manifest;
  /**
   * What pg_restore takes (psql, after gunzip, where the manifest's format is plain), decrypted. Never a stream: a
   * cut is known only at its end, when half of it would be restored.
   */
  readonly file: string;
}

/** Where an archive comes from, and what opens it. */
export interface ArchiveSource {
  readonly storage: BackupStorage;
  readonly encryption: EncryptionSettings;
}

/**
 * Runs `use` with a backup's archive as a file. Where it is not encrypted and the storage is a directory of this
 * machine that is the stored file itself, read once for its digest; else a copy in a private directory that is
 * gone afterwards.
 * @throws PgkeepError `BACKUP_DAMAGED`, `BACKUP_KEY_MISSING`, `BACKUP_KEY_WRONG` before `use` is called; what the
 *   storage or `use` throws.
 */
export async function withArchiveFile<T>(
  { storage, encryption }: ArchiveSource,
  { name, manifest }: { name: string; manifest: Manifest },
  signal: AbortSignal,
  use: (archive: ArchiveFile) => Promise<T>,
): Promise<T> {
  const key = archiveKey(name, manifest);
  const stored = storage.pathOf?.(key);
  if (stored !== undefined && manifest.encryption === null) {
    requireAsDumped(storage, manifest, await readBack(storage, key, undefined, { signal }));
    return await use({ name, manifest, file: stored });
  }
  const keys = manifest.encryption ? await requireKeys(key, manifest.encryption, encryption) : undefined;
  const directory = await mkdtemp(path.join(tmpdir(), 'pgkeep-archive-'));
  try {
    const file = path.join(directory, archiveKey(name, { ...manifest, encryption: null }));
    requireAsDumped(storage, manifest, await copyOut(await storage.get(key), file, keys, signal));
    return await use({ name, manifest, file });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Opens a backup's archive from its beginning, decrypted: for a look at what it needs. Nothing of it is proven.
 * @throws PgkeepError `BACKUP_KEY_MISSING`, `BACKUP_KEY_WRONG`; what the storage throws.
 */
export async function openArchive(
  { storage, encryption }: ArchiveSource,
  { name, manifest }: { name: string; manifest: Manifest },
): Promise<Readable> {
  const key = archiveKey(name, manifest);
  const keys = manifest.encryption ? await requireKeys(key, manifest.encryption, encryption) : undefined;
  const stored = await storage.get(key);
  return keys === undefined ? stored : Readable.from(unseal(stored, keys), { objectMode: false });
}

/** Copies the archive, decrypted, and digests it on both sides of that. */
async function copyOut(
  body: Readable,
  file: string,
  keys: OpeningKeys | undefined,
  signal: AbortSignal,
): Promise<ReadBack> {
  const outside = new DigestMeter();
  const inside = new DigestMeter();
  const stored = outside.through(body);
  const unending = { [Symbol.asyncIterator]: () => ({ next: () => stored.next() }) };
  const archive = inside.through(keys === undefined ? unending : unseal(unending, keys));
  const target = createWriteStream(file, { mode: 0o600 });
  let fault: string | undefined;
  let closed: string | undefined;
  try {
    await pipeline(Readable.from(archive, { objectMode: false }), target, { signal });
  } catch (error) {
    if (error instanceof SealBroken) fault = error.message;
    else if (error instanceof PassphraseRefused) closed = error.message;
    else throw isFull(error) ? noRoom(file, error) : error;
    // Damage, or another key? The digest of the whole decides.
    for (let next = await stored.next(); !next.done;) next = await stored.next();
  } finally {
    body.destroy();
  }
  const plain = keys && { bytes: inside.bytes, sha256: inside.digest() };
  return { bytes: outside.bytes, sha256: outside.digest(), fault, closed, plain: closed ? undefined : plain };
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errorCode(error) ?? '');
}

function noRoom(file: string, cause: unknown): PgkeepError {
  return new PgkeepError('STORAGE_FULL', `Cannot unpack ${path.basename(file)}: ${messageOf(cause)}`, {
    hint: `It goes to a private file below ${tmpdir()} first: make room there, or let TMPDIR name a larger disk.`,
    cause,
  });
}

async function requireKeys(
  archive: string,
  { recipients }: { recipients: readonly string[] },
  settings: EncryptionSettings,
): Promise<OpeningKeys> {
  const here = await keysHere(archive, recipients, settings);
  if ('missing' in here) throw here.missing;
  return here.keys;
}

function requireAsDumped(storage: BackupStorage, manifest: Manifest, found: ReadBack): void {
  const findings = archiveFindings(manifest, found);
  if (findings.length > 0) {
    throw new PgkeepError(
      'BACKUP_DAMAGED',
      `${manifest.archive} in ${storage.location} is not what was dumped: ${findings.map(({ details }) => details).join('; ')}.`,
      { hint: 'Take another backup (`pgkeep backup list`), or this one’s copy elsewhere.' },
    );
  }
  if (found.closed === undefined) return;
  throw new PgkeepError('BACKUP_KEY_WRONG', `${manifest.archive} is encrypted, and ${found.closed}.`, {
    hint: 'Set BACKUP_ENCRYPTION_KEY to the passphrase of the time when that backup was made.',
  });
}

/** Fetches one copy, checks it, and hands it to `use`. */
type WithCopy<T> = (copy: BackupCopy, use: (archive: ArchiveFile) => Promise<T>) => Promise<T>;

/**
 * Uses the first copy of a backup that is whole. A damaged one before it is told in the log, and no reason to stop:
 * the copy elsewhere is there for that.
 * @throws PgkeepError what was wrong with the first copy, where none is whole; what `use` throws.
 */
export async function firstWholeCopy<T>(
  copies: AsyncIterable<BackupCopy | UnreadableCopy>,
  withCopy: WithCopy<T>,
  use: (archive: ArchiveFile) => Promise<T>,
): Promise<T> {
  const passedOver: PgkeepError[] = [];
  for await (const copy of copies) {
    let isUsed = false;
    try {
      if ('error' in copy) throw copy.error;
      return await withCopy(copy, async (archive) => {
        isUsed = true;
        for (const { message } of passedOver)
          new Logger('Backup').error(`${message} Took the copy in ${copy.storage.location}.`);
        return await use(archive);
      });
    } catch (error) {
      if (isUsed || !(error instanceof PgkeepError) || !isOfTheCopy(error)) throw error;
      passedOver.push(error);
    }
  }
  throw passedOver[0] ?? new TypeError('a catalogue that knows no copy says so');
}

/** Whether another copy may do better. A missing key would be missing there, too. */
function isOfTheCopy({ code }: PgkeepError): boolean {
  return code.startsWith('STORAGE_') || code === 'BACKUP_DAMAGED' || code === 'BACKUP_MANIFEST_UNREADABLE';
}
