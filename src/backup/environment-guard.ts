import type { Client } from 'pg';
import type { EnvironmentName } from '../config/settings.js';
import type { ReadTimeouts } from '../postgres/read.js';
import type { DatabaseIdentity } from '../environment/environment.types.js';
import { readIdentity, readStamp } from '../environment/read-environment.js';
import { PgkeepError } from '../core/errors.js';

/**
 * Refuses a database that is stamped for another environment: its backups would be named, kept and thrown away
 * as those of this one.
 * @returns who the database is, where the role may ask.
 * @throws PgkeepError `BACKUP_REFUSED`.
 */
export async function requireEnvironment(
  client: Client,
  environment: EnvironmentName,
  timeouts: ReadTimeouts,
): Promise<DatabaseIdentity | undefined> {
  const reading = await readStamp(client, timeouts);
  if (reading.kind === 'stamped' && reading.stamp.environment !== environment) {
    const stamped = reading.stamp.environment;
    throw new PgkeepError(
      'BACKUP_REFUSED',
      `Refused to back up the database as ${environment}: it is stamped ${stamped}. Nothing was touched.`,
      { hint: `Use \`--env ${stamped}\`, or point DATABASE_URL at the ${environment} database.` },
    );
  }
  return await readIdentity(client, timeouts);
}
