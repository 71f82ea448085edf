import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { PgkeepError } from '../../core/errors.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { Manifest } from '../backup.types.js';
import { attachmentKey, ATTACHMENTS, manifestKey } from '../catalog/backup-name.js';
import { parseManifest, readText, writeText } from '../catalog/manifest.js';
import { UnfinishedRuns } from '../catalog/unfinished-runs.js';
import { DigestMeter } from '../verify/digest-meter.js';
import { untilAborted } from '../verify/verify-bytes.js';

/** How long a bucket that may not answer any more is given to take away what a failed upload left. */
const CLEANING_MS = 3000;

/**
 * Copies committed backups from the directory to one bucket.
 *
 * The order of things: the backup is committed in the directory before its first byte is uploaded, and in the bucket
 * by its manifest, which goes last, after every byte of the archive was read back from there. So a place lists a
 * backup only when it has the whole of it, and a failed upload costs the copy, never the backup.
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

  /** Clears what killed uploads left. @returns the names of the backups they did not finish. */
  async clear(): Promise<string[]> {
    return await this.runs.clear();
  }

  /**
   * Does nothing where the bucket has the backup, whole. A copy of it that was damaged there is replaced; another
   * backup of this name never is.
   * @throws PgkeepError `BACKUP_UPLOAD_FAILED`, `BACKUP_DAMAGED`, `STORAGE_…`; the signal's reason.
   */
  async copy(manifest: Manifest): Promise<void> {
    const { name, archive } = manifest;
    this.signal.throwIfAborted();
    if ((await this.isCommitted(manifest)) && (await this.isWhole(manifest))) return;
    const run = await this.runs.runOn(name);
    if (run !== undefined) {
      const doing = run === 'prune' ? 'removing' : 'uploading';
      throw new PgkeepError(
        'BACKUP_UPLOAD_FAILED',
        `another run is ${doing} ${name} ${run === 'prune' ? 'from' : 'to'} ${this.bucket.location}`,
        {
          hint: 'Wait for it; a run that was killed elsewhere counts as gone after a day.',
        },
      );
    }
    await this.runs.begin(name, 'upload', this.now, this.signal);
    try {
      await this.bucket.put(archive, await this.checkedArchive(manifest), {
        signal: this.signal,
        expectedBytes: manifest.bytes,
      });
      await this.requireWhole(manifest);
      await this.copyDocuments(name);
    } catch (error) {
      await this.giveUp(manifest);
      throw error;
    }
    await this.runs.commit(name);
  }

  /** The local archive as a stream that fails at its end where it is not what was dumped: nothing is stored then. */
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
        `${archive} in ${location} is not what was dumped: ${meter.bytes} bytes of sha256 ${found}, not ${bytes} of ${sha256}`,
        { hint: 'Take another backup: `pgkeep backup`.' },
      );
    }
    return Readable.from(checked(), { objectMode: false });
  }

  private async requireWhole(manifest: Manifest): Promise<void> {
    if (await this.isWhole(manifest)) return;
    throw new PgkeepError(
      'BACKUP_UPLOAD_FAILED',
      `the archive was read back from ${this.bucket.location} and is not what was sent there`,
      { hint: 'Look at the network between, and at the bucket’s server.' },
    );
  }

  /** Reads every byte that is in the bucket. */
  private async isWhole({ archive, sha256 }: Manifest): Promise<boolean> {
    if (!(await this.bucket.head(archive))) return false;
    const meter = new DigestMeter();
    const body = untilAborted(this.signal, await this.bucket.get(archive));
    for await (const chunk of body) meter.add(Buffer.from(chunk));
    return meter.digest() === sha256;
  }

  /** @throws PgkeepError where the name is taken: two servers that share a bucket may back up in the same second. */
  private async isCommitted({ name, sha256 }: Manifest): Promise<boolean> {
    const key = manifestKey(name);
    if (!(await this.bucket.head(key))) return false;
    if (parseManifest(await readText(this.bucket, key))?.sha256 === sha256) return true;
    throw new PgkeepError(
      'BACKUP_UPLOAD_FAILED',
      `${this.bucket.location} has another backup of the name ${name}, which is left as it is`,
      { hint: 'Give each database server a bucket of its own.' },
    );
  }

  /** What was attached to the backup, then the manifest, to the letter: only with it the copy is a backup. */
  private async copyDocuments(name: string): Promise<void> {
    const attached = ATTACHMENTS.map((attachment) => attachmentKey(name, attachment));
    for (const key of [...attached, manifestKey(name)]) {
      if (!(await this.local.head(key))) continue;
      await writeText(this.bucket, key, await readText(this.local, key), this.signal);
    }
  }

  /**
   * Takes away what the upload may have left; a copy that was committed before stays. The first failure is the one
   * to tell, and a bucket that does not answer is not waited for: the next run clears what this one cannot.
   */
  private async giveUp({ name, archive }: Manifest): Promise<void> {
    const clean = async (): Promise<void> => {
      if (!(await this.bucket.head(manifestKey(name)))) await this.bucket.delete(archive);
      await this.runs.commit(name);
    };
    await Promise.race([clean().catch(() => undefined), sleep(CLEANING_MS, undefined, { ref: false })]);
  }
}
