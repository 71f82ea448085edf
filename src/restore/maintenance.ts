import type { Client } from 'pg';
import type { DatabaseUrl } from '../config/database-url.js';
import type { ConnectionOptions } from '../postgres/candidate-client.js';
import { withConnection } from '../postgres/connect.js';
import { errorCode } from '../core/errors.js';

/** What every PostgreSQL server has, and a restore can be directed from. */
const MAINTENANCE_DATABASES = ['postgres', 'template1'];
/** There is no such database, or no CONNECT on it. */
const ABSENT = new Set(['3D000', '42501']);

/** Runs `work` on a connection to another database of the server than the URL's. */
export async function onMaintenance<T>(
  url: DatabaseUrl,
  connection: ConnectionOptions,
  work: (client: Client, url: DatabaseUrl) => Promise<T>,
): Promise<T> {
  const candidates = MAINTENANCE_DATABASES.filter((name) => name !== url.database);
  for (const [index, database] of candidates.entries()) {
    const maintenanceUrl = { ...url, database };
    let connected = false;
    try {
      return await withConnection(maintenanceUrl, connection, (client) => {
        connected = true;
        return work(client, maintenanceUrl);
      });
    } catch (error) {
      const isAbsent = ABSENT.has(errorCode(error) ?? '');
      if (connected || !isAbsent || index === candidates.length - 1) throw error;
    }
  }
  throw new RangeError('there are two candidates, and one of them is not the target');
}
