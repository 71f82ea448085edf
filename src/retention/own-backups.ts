import type { BackupEntry } from '../backup/backup.types.js';
import type { EnvironmentName } from '../config/settings.js';

/** Whose backups are to be pruned. */
export interface Owner {
  readonly database: string;
  readonly environment: EnvironmentName;
  /** The database server's; undefined where the role may not ask for it. */
  readonly systemIdentifier: string | undefined;
}

/** The backups that are the owner's to prune, and those that only look like it. */
export interface Ownership {
  readonly own: readonly BackupEntry[];
  /** Of the same names, and made by another database server. */
  readonly foreign: readonly BackupEntry[];
}

/**
 * Tells a server's backups from those of another one that shares the bucket, the database's name and the environment.
 * The database's oid would tell more, and too much: a restore changes it. Whatever names another system identifier
 * is not the owner's, so that the worst mistake is a backup too many: what an earlier server made stays until
 * somebody removes it by hand. A backup that names none goes by its name; and an owner that does not know its own
 * identifier owns only such backups. Those of other databases and environments are left out. Pure.
 */
export function ownBackups(backups: readonly BackupEntry[], owner: Owner): Ownership {
  const namesakes = backups.filter(
    ({ database, environment }) => database === owner.database && environment === owner.environment,
  );
  const isOwn = ({ systemIdentifier }: BackupEntry): boolean =>
    systemIdentifier === null || systemIdentifier === owner.systemIdentifier;
  return { own: namesakes.filter(isOwn), foreign: namesakes.filter((backup) => !isOwn(backup)) };
}
