import { PgkeepError, messageOf } from '../core/errors.js';

/** A copy that could not be made. */
export interface FailedCopy {
  /** Undefined where the bucket failed before any backup was looked at. */
  readonly name: string | undefined;
  readonly error: unknown;
}

/** Why backups could not be copied to buckets; says that they are safe in `home`, and how to try again. */
export function uploadError(failures: readonly FailedCopy[], home: string, signal: AbortSignal): PgkeepError {
  const names = new Set(failures.map(({ name }) => name));
  const [only] = names.size === 1 ? names : [];
  const what = only ?? 'the backups';
  const safe = only === undefined ? `They are whole in ${home}.` : `The backup itself is whole, in ${home}.`;
  const again = only === undefined ? '`pgkeep backup upload`' : `\`pgkeep backup upload ${only}\``;
  const [cause] = failures.map(({ error }) => error);
  if (signal.aborted) {
    return new PgkeepError('INTERRUPTED', `Interrupted: could not upload ${what}. ${safe}`, {
      hint: `Upload again: ${again}.`,
      cause,
    });
  }
  const reasons = new Set(failures.map(({ error }) => messageOf(error).replace(/\.$/, '')));
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
