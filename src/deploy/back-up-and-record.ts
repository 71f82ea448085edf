import type { NewEntry, Recording } from '../audit-log/audit-log.types.js';
import type { ProgressListener } from '../backup/backup.types.js';
import { PgkeepError } from '../core/errors.js';
import type { DeployNeeds } from './deploy-dependencies.js';

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

/**
 * The backup that was made before the newest deploy of a migration. Undefined where none was made, and where the
 * changelog does not have the deploy or cannot be read: what is asked for is a note in a manifest.
 */
export async function backupBeforeDeploy(
  { changelog, settings }: Pick<DeployNeeds, 'changelog' | 'settings'>,
  migration: string,
): Promise<string | undefined> {
  const subject = settings.database.url.database;
  const entry = await changelog
    .newest({ action: 'deploy', subject, details: { migrations: [migration] } })
    .catch(() => undefined);
  const backup: unknown = Reflect.get(Object(entry?.details), 'backup');
  return typeof backup === 'string' ? backup : undefined;
}

/** Records an action of this room: on the configured database, in its environment. Never fails. */
export async function recordAction(
  { settings, changelog }: Pick<DeployNeeds, 'settings' | 'changelog'>,
  { action, details, actor }: Pick<NewEntry, 'action' | 'details' | 'actor'>,
): Promise<Recording> {
  const { database, environment } = settings;
  return await changelog.recordDone({
    action,
    subject: database.url.database,
    details: { environment, ...details },
    actor,
  });
}
