import { type ClientBase, escapeIdentifier } from 'pg';
import { mayRecord } from '../audit-log/append.js';
import { readDatabaseFacts } from '../backup/create/database-facts.js';
import { readObstacles, requireComplete } from '../backup/create/preflight.js';
import type { Settings } from '../config/settings.js';
import { PgkeepError } from '../core/errors.js';
import { missingGrants } from '../drift/missing-rights.js';
import { stampGrants } from '../environment/environment.types.js';
import { readIdentity, readStamp } from '../environment/stamp.js';
import { whyUnable, type JobsAbility } from '../jobs/jobs-ability.js';
import { currentRole, mayInsert, type ReadTimeouts } from '../postgres/read.js';

/** A right that the role lacks, and the feature that needs it. */
export interface MissingRight {
  readonly feature: string;
  /** SQL that gives it, or who may give it and how. */
  readonly grant: string;
}

/** Says what the role is asked about. */
export interface RightsQuestion {
  readonly settings: Settings;
  readonly timeouts: ReadTimeouts;
  /** Whether the role can run jobs. */
  readonly jobs: JobsAbility;
}

/**
 * Reads the rights that the role lacks for the features that are switched on. Asks the catalogue, which every role may read.
 * @throws what the connection throws.
 */
export async function readMissingRights(
  client: ClientBase,
  { settings, timeouts, jobs }: RightsQuestion,
): Promise<MissingRight[]> {
  const role = escapeIdentifier(await currentRole(client, timeouts));
  const missing: MissingRight[] = [];
  const add = (feature: string, grant: string | undefined): void => {
    if (grant !== undefined) missing.push({ feature, grant });
  };
  add('drift', await missingGrants(client, settings.database.url.schema, timeouts));
  const stamp = await readStamp(client, timeouts);
  add('environment', stamp.kind === 'unreadable' ? `${stampGrants(role)};` : undefined);
  const identity = await readIdentity(client, timeouts);
  add(
    'environment',
    identity ? undefined : `GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO ${role};`,
  );
  if (!settings.backup.enabled) return missing;
  add('backups', await backupObstacle(client));
  const recording = await mayRecord(client, timeouts);
  add('audit log', recording === 'denied' ? `GRANT INSERT ON pgkeep.change_log TO ${role};` : undefined);
  add('jobs', jobs.kind === 'denied' ? whyUnable(jobs).hint : undefined);
  const evidence = await mayInsert(client, { schema: 'pgkeep', table: 'restore_test' }, timeouts);
  add('restore tests', evidence !== false ? undefined : `GRANT INSERT ON pgkeep.restore_test TO ${role};`);
  return missing;
}

/** What keeps a backup from being complete, as the grants that a backup itself would ask for. */
async function backupObstacle(client: ClientBase): Promise<string | undefined> {
  const facts = await readDatabaseFacts(client);
  const obstacles = await readObstacles(client, facts);
  try {
    requireComplete(obstacles, facts);
    return undefined;
  } catch (error) {
    if (error instanceof PgkeepError && error.hint !== undefined) return error.hint;
    throw error;
  }
}
