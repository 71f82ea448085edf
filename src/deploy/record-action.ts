import type { NewEntry, Recording } from '../audit-log/audit-log.types.js';
import type { DeployNeeds } from './deploy-needs.js';

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
