import type { DeployNeeds } from './deploy-needs.js';

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
