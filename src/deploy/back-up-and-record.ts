import type { Settings } from '../config/settings.js';
import type { NewEntry, Recording } from '../audit-log/audit-log.types.js';
import type { ProgressListener } from '../backup/backup.types.js';
import { PgkeepError } from '../core/errors.js';
import type { Interruptible } from './deploy-connection.js';
import type { DeployDependencies } from './deploy-dependencies.js';
import type { Refuse } from './refusals.js';

/** How the backup before a deploy or rollback is made. */
export interface BackUpOptions {
  /** Skips the backup. */
  readonly withoutBackup?: boolean | undefined;
  readonly actor: string;
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
  readonly onBackupProgress?: ProgressListener | undefined;
  /** What did not happen if the backup fails: `migrated`. */
  readonly done: Interruptible;
  /** For a rollback: the migration, whose deploy made a backup too. */
  readonly rolledBack?: string;
}

/**
 * Refuses to skip the backup in production.
 * @param what completes "Refused to …: … requires a backup"
 * @throws PgkeepError what `refuse` makes.
 */
export function requireBackup(
  { environment }: Settings,
  withoutBackup: boolean | undefined,
  what: string,
  refuse: Refuse,
): void {
  if (withoutBackup !== true || environment !== 'production') return;
  throw refuse(`${what} requires a backup`, 'Omit --without-backup: the backup is made first.');
}

/**
 * Makes the backup before a deploy or rollback.
 * @returns its name; null if it is skipped.
 * @throws PgkeepError with the backup's code; nothing was changed.
 */
export async function backUpFirst(
  dependencies: Pick<DeployDependencies, 'backups' | 'changelog' | 'settings'>,
  options: BackUpOptions,
): Promise<string | null> {
  const { withoutBackup, actor, signal, onStep, onBackupProgress: onProgress, done, rolledBack } = options;
  if (withoutBackup === true) return null;
  onStep('Backing up');
  const origin = rolledBack === undefined ? undefined : await backupBeforeDeploy(dependencies, rolledBack);
  try {
    const backup = { reason: 'pre-migration', origin, actor, signal, onProgress } as const;
    return (await dependencies.backups.create(backup)).name;
  } catch (error) {
    if (!(error instanceof PgkeepError)) throw error;
    throw new PgkeepError(error.code, `Nothing was ${done}: ${error.message}`, {
      ...(error.hint !== undefined && { hint: error.hint }),
      cause: error,
    });
  }
}

/**
 * Returns the backup made before the newest deploy of a migration; undefined if there is none, or if the
 * audit log cannot be read: it is only a note in a manifest.
 */
async function backupBeforeDeploy(
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
