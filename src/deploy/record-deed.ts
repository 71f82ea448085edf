import type { NewEntry, Recording } from '../audit-log/changelog.types.js';
import type { DeployNeeds } from './deploy-needs.js';

/** Records a deed of this room: on the configured database, in its environment. Never fails. */
export async function recordDeed(
  { settings, changelog }: Pick<DeployNeeds, 'settings' | 'changelog'>,
  { deed, details, actor }: Pick<NewEntry, 'deed' | 'details' | 'actor'>,
): Promise<Recording> {
  const { database, environment } = settings;
  return await changelog.recordDone({
    deed,
    subject: database.url.database,
    details: { environment, ...details },
    actor,
  });
}
