import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, PgkeepError } from '../../core/errors.js';
import { destroyOnAbort, waitWithGrace } from '../../core/process/concurrent.js';
import { withoutStop } from '../../core/text.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { Manifest, UploadReport } from '../backup.types.js';
import { whileClaimed } from '../catalog/backup-claims.js';
import { attachmentKey, ATTACHMENTS, manifestKey } from '../catalog/backup-name.js';
import { CommittedBackups } from '../catalog/committed-backups.js';
import { parseManifest, readText, writeText } from '../catalog/manifest.js';
import { UnfinishedRuns } from '../catalog/unfinished-runs.js';
import { DigestMeter } from '../verify/digest-meter.js';

/** How long an interrupted upload may take to clean up. */
const GRACE_MS = 8000;

/** The inputs of an upload. */
export interface UploadContext {
  /** The directory with the backups. */
  readonly local: BackupStorage;
  /** The buckets. */
  readonly remotes: readonly BackupStorage[];
  readonly now: Date;
  readonly signal: AbortSignal;
}

/**
 * Copies one backup to every bucket, or without a name each backup of the directory to the buckets that do not have
 * it. If a bucket fails, the others still get their copies.
 * @throws PgkeepError `BACKUP_NOT_FOUND`, `BACKUP_UPLOAD_FAILED`, `INTERRUPTED`.
 */
export async function uploadBackups(text: string | undefined, context: UploadContext): Promise<UploadReport> {
  const { local, remotes, now, signal } = context;
  const own = new CommittedBackups(local);
  const asked = text === undefined ? undefined : await own.manifest(text);
  const places = new Map<string, string[]>();
  if (asked) places.set(asked.name, []);
  const cleared = new Set<string>();
  const failures: FailedCopy[] = [];
  for (const remote of remotes) {
    const upload = new BucketUpload(local, remote, now, signal);
    const attempt = async (name: string | undefined, work: () => Promise<unknown>): Promise<boolean> => {
      try {
        await waitWithGrace(signal, GRACE_MS, work());
        return true;
      } catch (error) {
        if (!(error instanceof PgkeepError) && !signal.aborted) throw error;
        failures.push({ name, error });
        return false;
      }
    };
    let manifests: readonly Manifest[] = asked ? [asked.manifest] : [];
    const begun = await attempt(asked?.name, async () => {
      for (const name of await upload.clear()) cleared.add(name);
      if (!asked) manifests = await missingIn(remote, own);
    });
    if (!begun) continue;
    for (const manifest of manifests) {
      if (signal.aborted) break;
      if (!(await attempt(manifest.name, () => copyClaimed(upload, manifest, context)))) continue;
      places.set(manifest.name, [...(places.get(manifest.name) ?? []), remote.location]);
    }
  }
  if (failures.length > 0) throw uploadError(failures, local.location, signal);
  const backups = [...places].map(([name, where]) => ({ name, locations: [local.location, ...where] }));
  return { backups, cleared: [...cleared] };
}

/** Copies a backup of the directory, which is marked as in use meanwhile. */
async function copyClaimed(
  upload: BucketUpload,
  manifest: Manifest,
  { local, now, signal }: UploadContext,
): Promise<void> {
  await whileClaimed([local], manifest.name, { use: 'upload', now, signal }, () => upload.copy(manifest));
}

/** Returns the manifests of the directory's backups that this bucket does not have. */
async function missingIn(remote: BackupStorage, own: CommittedBackups): Promise<Manifest[]> {
  const there = await new CommittedBackups(remote).list();
  const known = new Set(there.backups.map(({ name, sha256 }) => `${name} ${sha256}`));
  const { backups } = await own.list();
  const missing: Manifest[] = [];
  for (const { name, sha256 } of backups) {
    if (!known.has(`${name} ${sha256}`)) missing.push((await own.manifest(name)).manifest);
  }
  return missing;
}

/** A copy that could not be made. */
interface FailedCopy {
  /** Undefined if the bucket failed before the first backup. */
  readonly name: string | undefined;
  readonly error: unknown;
}

/** Returns the error for failed copies: why, that the backups are safe in `home`, and how to try again. */
function uploadError(failures: readonly FailedCopy[], home: string, signal: AbortSignal): PgkeepError {
  const names = new Set(failures.map(({ name }) => name));
  const [only] = names.size === 1 ? names : [];
  const what = only ?? 'the backups';
  const safe =
    only === undefined ? `They are complete in ${home}.` : `The backup itself is complete, in ${home}.`;
  const again = only === undefined ? '`pgkeep backup upload`' : `\`pgkeep backup upload ${only}\``;
  const [cause] = failures.map(({ error }) => error);
  if (signal.aborted) {
    return new PgkeepError('INTERRUPTED', `Interrupted: did not upload ${what}. ${safe}`, {
      hint: `Upload again: ${again}.`,
      cause,
    });
  }
  const reasons = new Set(failures.map(({ error }) => withoutStop(messageOf(error))));
  const hint = cause instanceof PgkeepError && cause.hint !== undefined ? `${cause.hint}\n` : '';
  return new PgkeepError(
    'BACKUP_UPLOAD_FAILED',
    `Cannot upload ${what}: ${[...reasons].join('; ')}. ${safe}`,
    {
      hint: `${hint}Then upload again: ${again}.`,
      cause,
    },
  );
}

/** How long to try to remove the remains of a failed upload from a bucket that may not answer. */
const CLEANING_MS = 3000;

/**
 * Copies committed backups from the directory to one bucket.
 *
 * A backup is committed in the directory before its upload begins. In the bucket the manifest is written last, after
 * every byte of the archive was read from there and verified. So each place lists complete backups only, and a failed
 * upload loses the copy, never the backup.
 */
class BucketUpload {
  private readonly runs: UnfinishedRuns;

  constructor(
    private readonly local: BackupStorage,
    private readonly bucket: BackupStorage,
    private readonly now: Date,
    private readonly signal: AbortSignal,
  ) {
    this.runs = new UnfinishedRuns(bucket);
  }

  /** Removes the files of killed uploads. @returns the names of their backups. */
  async clear(): Promise<string[]> {
    return await this.runs.clear();
  }

  /**
   * Copies one backup, unless the bucket has an intact copy. A damaged copy is replaced; a different backup of this name
   * never is.
   * @throws PgkeepError `BACKUP_UPLOAD_FAILED`, `BACKUP_DAMAGED`, `STORAGE_…`; the signal's reason.
   */
  async copy(manifest: Manifest): Promise<void> {
    const { name, archive } = manifest;
    this.signal.throwIfAborted();
    if ((await this.isCommitted(manifest)) && (await this.isIntact(manifest))) return;
    const run = await this.runs.runOn(name);
    if (run !== undefined) {
      const doing = run === 'prune' ? 'removing' : 'uploading';
      throw new PgkeepError(
        'BACKUP_UPLOAD_FAILED',
        `another run is ${doing} ${name} ${run === 'prune' ? 'from' : 'to'} ${this.bucket.location}`,
        {
          hint: 'Wait until it ends. A run that was killed on another machine is ignored after a day.',
        },
      );
    }
    await this.runs.begin(name, 'upload', this.now, this.signal);
    try {
      await this.bucket.put(archive, await this.checkedArchive(manifest), {
        signal: this.signal,
        expectedBytes: manifest.bytes,
      });
      await this.requireIntact(manifest);
      await this.copyDocuments(name);
    } catch (error) {
      await this.giveUp(manifest);
      throw error;
    }
    await this.runs.commit(name);
  }

  /** Returns the local archive as a stream that fails at its end if the archive is damaged: nothing is stored then. */
  private async checkedArchive({ archive, bytes, sha256 }: Manifest): Promise<Readable> {
    const { location } = this.local;
    const meter = new DigestMeter();
    const source = await this.local.get(archive);
    async function* checked(): AsyncGenerator<Buffer> {
      yield* meter.through(source);
      const found = meter.digest();
      if (found === sha256) return;
      throw new PgkeepError(
        'BACKUP_DAMAGED',
        `${archive} in ${location} is damaged: it has ${meter.bytes} bytes with sha256 ${found}, not ${bytes} bytes with sha256 ${sha256}`,
        { hint: 'Make another backup: `pgkeep backup`.' },
      );
    }
    return Readable.from(checked(), { objectMode: false });
  }

  private async requireIntact(manifest: Manifest): Promise<void> {
    if (await this.isIntact(manifest)) return;
    throw new PgkeepError(
      'BACKUP_UPLOAD_FAILED',
      `the copy in ${this.bucket.location} failed verification: it is not what was uploaded`,
      { hint: 'Check the network and the bucket’s server.' },
    );
  }

  /** Reads every byte of the copy in the bucket. */
  private async isIntact({ archive, sha256 }: Manifest): Promise<boolean> {
    if (!(await this.bucket.head(archive))) return false;
    const meter = new DigestMeter();
    const body = destroyOnAbort(this.signal, await this.bucket.get(archive));
    for await (const chunk of body) meter.add(Buffer.from(chunk));
    return meter.digest() === sha256;
  }

  /** @throws PgkeepError if the name is taken: two servers that share a bucket can back up in the same second. */
  private async isCommitted({ name, sha256 }: Manifest): Promise<boolean> {
    const key = manifestKey(name);
    if (!(await this.bucket.head(key))) return false;
    if (parseManifest(await readText(this.bucket, key))?.sha256 === sha256) return true;
    throw new PgkeepError(
      'BACKUP_UPLOAD_FAILED',
      `${this.bucket.location} has a different backup of the name ${name}, which was not changed`,
      { hint: 'Use a separate bucket for each database server.' },
    );
  }

  /** Copies the documents that were added to the backup, then the manifest, which commits the copy. */
  private async copyDocuments(name: string): Promise<void> {
    const attached = ATTACHMENTS.map((attachment) => attachmentKey(name, attachment));
    for (const key of [...attached, manifestKey(name)]) {
      if (!(await this.local.head(key))) continue;
      await writeText(this.bucket, key, await readText(this.local, key), this.signal);
    }
  }

  /**
   * Removes what the upload may have left, but not a copy that was committed before. Its own failures are ignored, and
   * a bucket that does not answer is not waited for: the next run clears the rest.
   */
  private async giveUp({ name, archive }: Manifest): Promise<void> {
    const clean = async (): Promise<void> => {
      if (!(await this.bucket.head(manifestKey(name)))) await this.bucket.delete(archive);
      await this.runs.commit(name);
    };
    await Promise.race([clean().catch(() => undefined), sleep(CLEANING_MS, undefined, { ref: false })]);
  }
}
