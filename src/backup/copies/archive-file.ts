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
import { decrypt, DecryptionFailed, WrongPassphrase } from '../encryption/age.js';
import { type DecryptionKeys, findKeys } from '../encryption/keys.js';
import { DigestMeter } from '../verify/digest-meter.js';
import { archiveFindings } from '../verify/verify-backup.js';
import { readStoredArchive, type StoredArchive } from '../verify/verify-contents.js';

/** A backup whose archive is a file on this machine, with every byte verified. */
export interface ArchiveFile {
  readonly name: string;
  readonly manifest: Manifest;
  /**
   * The decrypted archive for pg_restore (for psql, after gunzip, if the format is plain). Not a stream: a truncated
   * one would be noticed only at its end, after half of it was restored.
   */
  readonly file: string;
}

/** The place of an archive, and the keys to decrypt it. */
export interface ArchiveSource {
  readonly storage: BackupStorage;
  readonly encryption: EncryptionSettings;
}

/**
 * Runs `use` with a backup's archive as a file. If it is not encrypted and the storage is a directory of this machine,
 * that is the stored file itself, after its digest was verified; otherwise a temporary copy in a private directory.
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
    requireAsDumped(storage, manifest, await readStoredArchive(storage, key, undefined, { signal }));
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
 * Opens a backup's archive as a decrypted stream, to look at its beginning. It is not verified.
 * @throws PgkeepError `BACKUP_KEY_MISSING`, `BACKUP_KEY_WRONG`; what the storage throws.
 */
export async function openArchive(
  { storage, encryption }: ArchiveSource,
  { name, manifest }: { name: string; manifest: Manifest },
): Promise<Readable> {
  const key = archiveKey(name, manifest);
  const keys = manifest.encryption ? await requireKeys(key, manifest.encryption, encryption) : undefined;
  const stored = await storage.get(key);
  return keys === undefined ? stored : Readable.from(decrypt(stored, keys), { objectMode: false });
}

/** Writes the archive, decrypted, to a file. Computes its digest before and after the decryption. */
async function copyOut(
  body: Readable,
  file: string,
  keys: DecryptionKeys | undefined,
  signal: AbortSignal,
): Promise<StoredArchive> {
  const storedMeter = new DigestMeter();
  const plainMeter = new DigestMeter();
  const stored = storedMeter.through(body);
  // Without return(): if the decryption stops early, the rest is still read for the digest.
  const resumable = { [Symbol.asyncIterator]: () => ({ next: () => stored.next() }) };
  const archive = plainMeter.through(keys === undefined ? resumable : decrypt(resumable, keys));
  const target = createWriteStream(file, { mode: 0o600 });
  let fault: string | undefined;
  let notDecrypted: string | undefined;
  try {
    await pipeline(Readable.from(archive, { objectMode: false }), target, { signal });
  } catch (error) {
    if (error instanceof DecryptionFailed) fault = error.message;
    else if (error instanceof WrongPassphrase) notDecrypted = error.message;
    else throw isFull(error) ? temporaryDiskFull(file, error) : error;
    // The digest of the stored archive decides whether it is damaged or the key is wrong.
    for (let next = await stored.next(); !next.done;) next = await stored.next();
  } finally {
    body.destroy();
  }
  const plain = keys && { bytes: plainMeter.bytes, sha256: plainMeter.digest() };
  return {
    bytes: storedMeter.bytes,
    sha256: storedMeter.digest(),
    fault,
    notDecrypted,
    plain: notDecrypted ? undefined : plain,
  };
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errorCode(error) ?? '');
}

function temporaryDiskFull(file: string, cause: unknown): PgkeepError {
  return new PgkeepError('STORAGE_FULL', `Cannot unpack ${path.basename(file)}: ${messageOf(cause)}`, {
    hint: `It is unpacked to a temporary file below ${tmpdir()}. Free space there, or set TMPDIR to a directory on a larger disk.`,
    cause,
  });
}

async function requireKeys(
  archive: string,
  { recipients }: { recipients: readonly string[] },
  settings: EncryptionSettings,
): Promise<DecryptionKeys> {
  const found = await findKeys(archive, recipients, settings);
  if ('reason' in found) throw found.reason;
  return found.value;
}

function requireAsDumped(storage: BackupStorage, manifest: Manifest, found: StoredArchive): void {
  const findings = archiveFindings(manifest, found);
  if (findings.length > 0) {
    throw new PgkeepError(
      'BACKUP_DAMAGED',
      `${manifest.archive} in ${storage.location} is damaged: ${findings.map(({ details }) => details).join('; ')}.`,
      { hint: 'Use another backup (`pgkeep backup list`), or a copy of this one in another place.' },
    );
  }
  if (found.notDecrypted === undefined) return;
  throw new PgkeepError('BACKUP_KEY_WRONG', `Cannot decrypt ${manifest.archive}: ${found.notDecrypted}.`, {
    hint: 'Set BACKUP_ENCRYPTION_KEY to the passphrase that was set when that backup was made.',
  });
}

/** Fetches one copy, verifies it, and passes it to `use`. */
type WithCopy<T> = (copy: BackupCopy, use: (archive: ArchiveFile) => Promise<T>) => Promise<T>;

/**
 * Uses the first intact copy of a backup, and logs an error for each damaged copy before it.
 * @throws PgkeepError the fault of the first copy if none is intact; what `use` throws.
 */
export async function useFirstIntactCopy<T>(
  copies: AsyncIterable<BackupCopy | UnreadableCopy>,
  withCopy: WithCopy<T>,
  use: (archive: ArchiveFile) => Promise<T>,
): Promise<T> {
  const faults: PgkeepError[] = [];
  for await (const copy of copies) {
    let isUsed = false;
    try {
      if ('error' in copy) throw copy.error;
      return await withCopy(copy, async (archive) => {
        isUsed = true;
        for (const { message } of faults)
          new Logger('Backup').error(`${message} Using the copy in ${copy.storage.location}.`);
        return await use(archive);
      });
    } catch (error) {
      if (isUsed || !(error instanceof PgkeepError) || !isOfTheCopy(error)) throw error;
      faults.push(error);
    }
  }
  throw faults[0] ?? new TypeError('the catalog returned no copy and no error');
}

/** Returns whether another copy may be usable. (A key that is missing is missing for every copy.) */
function isOfTheCopy({ code }: PgkeepError): boolean {
  return code.startsWith('STORAGE_') || code === 'BACKUP_DAMAGED' || code === 'BACKUP_MANIFEST_UNREADABLE';
}
