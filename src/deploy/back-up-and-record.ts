import type { NewEntry, Recording } from '../audit-log/audit-log.types.js';
import type { ProgressListener } from '../backup/backup.types.js';
import { PgkeepError } from '../core/errors.js';
import type { DeployDependencies } from './deploy-dependencies.js';

/** How the backup before a deploy or rollback is made. */
export interface BackUpOptions {
  readonly actor: string;
  readonly signal: AbortSignal;
  readonly onProgress: ProgressListener | undefined;
  /** For a rollback: the backup made before the deploy that is undone, if known. */
  readonly origin?: string | undefined;
  /** What is reported if it fails: "Nothing was migrated". */
  readonly otherwise: string;
}

/**
 * Makes the backup before a deploy or rollback.
 * @returns its name.
 * @throws PgkeepError with the backup's code; nothing was changed.
 */
export async function backUpFirst(
  { backups }: Pick<DeployDependencies, 'backups'>,
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
 * Returns the backup made before the newest deploy of a migration; undefined if there is none, or if the
 * audit log cannot be read: it is only a note in a manifest.
 */
export async function backupBeforeDeploy(
  { changelog, settings }: Pick<DeployDependencies, 'changelog' | 'settings'>,
  migration: string,
): Promise<string | undefined> {
  const subject = settings.database.url.database;
  const entry = await changelog
    .newest({ action: 'deploy', subject, details: { migrations: [migration] } })
    .catch(() => undefined);
  const backup: unknown = Reflect.get(Object(entry?.details), 'backup');
  return typeof backup === 'string' ? backup : undefined;
}

/** Records an action on the configured database in the audit log. Never fails. */
export async function recordAction(
  { settings, changelog }: Pick<DeployDependencies, 'settings' | 'changelog'>,
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
