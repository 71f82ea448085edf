import { messageOf, PgkeepError } from '../../core/errors.js';
import { waitWithGrace } from '../../core/process/concurrent.js';
import { withoutStop } from '../../core/text.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { Manifest, UploadReport } from '../backup.types.js';
import { whileClaimed } from '../catalog/backup-claims.js';
import { CommittedBackups } from '../catalog/committed-backups.js';
import { BucketUpload } from './bucket-upload.js';

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
