import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { PgkeepError } from '../../core/errors.js';
import { destroyOnAbort } from '../../core/process/concurrent.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { Manifest } from '../backup.types.js';
import { attachmentKey, ATTACHMENTS, manifestKey } from '../catalog/backup-name.js';
import { parseManifest, readText, writeText } from '../catalog/manifest.js';
import { UnfinishedRuns } from '../catalog/unfinished-runs.js';
import { DigestMeter } from '../verify/digest-meter.js';

/** How long to try to remove the remains of a failed upload from a bucket that may not answer. */
const CLEANING_MS = 3000;

/**
 * Copies committed backups from the directory to one bucket.
 *
 * A backup is committed in the directory before its upload begins. In the bucket the manifest is written last, after
 * every byte of the archive was read from there and verified. So each place lists complete backups only, and a failed
 * upload loses the copy, never the backup.
 */
export class BucketUpload {
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
