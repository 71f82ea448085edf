import { PgkeepError } from '../core/errors.js';
import { withinGrace } from '../core/process/within-grace.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { whileClaimed } from './backup-claims.js';
import type { Manifest, UploadReport } from './backup.types.js';
import { BucketUpload } from './bucket-upload.js';
import { CommittedBackups } from './committed-backups.js';
import { uploadError, type FailedCopy } from './upload-error.js';

/** How long an interrupted upload may take to clean up behind itself: well below the patience with a bucket. */
const GRACE_MS = 8000;

/** What an upload works with. */
export interface UploadContext {
  /** The directory that backups are made in. */
  readonly local: BackupStorage;
  /** The buckets. */
  readonly remotes: readonly BackupStorage[];
  readonly now: Date;
  readonly signal: AbortSignal;
}

/**
 * Copies one backup to every bucket, or without a name each backup of the directory to the buckets that do not have
 * it. A bucket that fails keeps none from the others.
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
        await withinGrace(signal, GRACE_MS, work());
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

/** Copies a backup of the directory, which no prune removes meanwhile. */
async function copyClaimed(
  upload: BucketUpload,
  manifest: Manifest,
  { local, now, signal }: UploadContext,
): Promise<void> {
  await whileClaimed([local], manifest.name, { use: 'upload', now, signal }, () => upload.copy(manifest));
}

/** The manifests of the directory's backups that this bucket does not have. */
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
