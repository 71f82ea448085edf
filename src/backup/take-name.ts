import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Clock } from '../core/clock.js';
import type { EnvironmentName } from '../config/settings.js';
import { PgkeepError } from '../core/errors.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { backupName } from './backup-name.js';
import { isUsed } from './unfinished-runs.js';

/** How often a name is tried again that another run of the same second has taken. */
const NAME_PAUSE_MS = 100;
const NAME_TRIES = 100;

interface NamingContext {
  readonly settings: { readonly environment: EnvironmentName };
  readonly storage: BackupStorage;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Returns the name of this second, or of the next that no other backup has.
 * @param client holds the name until its transaction ends
 * @throws PgkeepError `BACKUP_FAILED`; the signal's reason.
 */
export async function takeName(
  client: Client,
  database: string,
  { settings, storage, clock, signal }: NamingContext,
): Promise<string> {
  for (let tries = 0; tries < NAME_TRIES; tries += 1) {
    const name = backupName(database, settings.environment, clock.now());
    // The lock decides between two runs that both find the name free.
    const { rows } = await client.query<{ taken: boolean }>(
      'SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 0)) AS taken',
      [`pgkeep backup ${name}`],
    );
    if (rows[0]?.taken === true && !(await isUsed(storage, name))) return name;
    await sleep(NAME_PAUSE_MS, undefined, { signal });
  }
  throw new PgkeepError('BACKUP_FAILED', `Cannot find a free name for a backup of "${database}".`, {
    hint: 'Check this machine’s clock.',
  });
}
