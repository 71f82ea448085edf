import type { ProgressListener } from '../backup/backup.types.js';
import { PgkeepError } from '../core/errors.js';
import type { DeployNeeds } from './deploy-needs.js';

/** How the backup before an action is made. */
export interface BackUpOptions {
  readonly actor: string;
  readonly signal: AbortSignal;
  readonly onProgress: ProgressListener | undefined;
  /** Of a rollback: the backup before the deploy that is undone, where one is known. */
  readonly origin?: string | undefined;
  /** What did not happen where it fails: "Nothing was migrated". */
  readonly otherwise: string;
}

/**
 * Makes the backup without which nothing is changed.
 * @returns its name.
 * @throws PgkeepError with the backup's code, that says that nothing happened.
 */
export async function backUpFirst(
  { backups }: Pick<DeployNeeds, 'backups'>,
  { actor, signal, onProgress, otherwise, origin }: BackUpOptions,
): Promise<string> {
  try {
    return (await backups.create({ reason: 'pre-migration', origin, actor, signal, onProgress })).name;
  } catch (error) {
    if (!(error instanceof PgkeepError)) throw error;
    throw new PgkeepError(error.code, `${otherwise}: ${error.message}`, {
      ...(error.hint !== undefined && { hint: error.hint }),
      cause: error,
    });
  }
}
