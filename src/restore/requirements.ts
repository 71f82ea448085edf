import type { Client } from 'pg';
import type { ArchiveNeeds } from './archive-contents.js';
import type { Despite } from './despite.js';
import { requireRoles } from './required-roles.js';
import { requireSuperuserFor, type RestoredObjects } from './required-superuser.js';
import { refused, type RestoreTarget } from './restore-plan.js';

/** What is restored, where, and what of it is given up. */
export interface RestoreFacts extends Pick<RestoredObjects, 'source'> {
  readonly target: RestoreTarget;
  readonly despite: Despite;
  readonly noOwner: boolean;
}

/**
 * Whether the server and the role can have what the archive makes.
 * @param client a connection of the role that restores, to the server that is restored into
 * @returns whether owners and grants are restored, too
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
export async function requireRestorable(
  client: Client,
  { source, target, despite, noOwner }: RestoreFacts,
  needs: ArchiveNeeds,
): Promise<boolean> {
  await requireExtensions(client, needs, despite);
  await requireSuperuserFor(client, { source, needs, despite });
  return await requireRoles(client, target, needs, noOwner);
}

async function requireExtensions(
  client: Client,
  { extensions }: ArchiveNeeds,
  despite: Despite,
): Promise<void> {
  const names = extensions
    .map(({ name }) => name)
    .filter((name) => !despite.isNamedObject(`extension ${name}`));
  const { rows } = await client.query<{ name: string }>(
    `SELECT wanted.name FROM pg_catalog.unnest($1::text[]) wanted (name)
      WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions e WHERE e.name = wanted.name)`,
    [names],
  );
  if (rows.length === 0) return;
  throw refused(
    `the backup holds extensions that this server does not have: ${rows.map(({ name }) => `"${name}"`).join(', ')}`,
    'Install their packages on the server, then restore again.',
  );
}
