import type { Client } from 'pg';
import { operator } from '../changelog/actor.js';
import { appendPlan } from '../changelog/append.js';
import { mayRecord, recordingDenied } from '../changelog/may-record.js';
import { parseDatabaseUrl } from '../config/database-url.js';
import { withConnection } from '../database/connect.js';
import { currentRole } from '../database/current-role.js';
import { KeepError } from '../errors.js';

/** What the change log tells of an override. */
export interface OverrideEntry {
  readonly database: string;
  readonly command: string;
  /** The refusal that was overridden. */
  readonly refused: string;
  readonly door: string;
  readonly environment: string;
}

const TIMEOUTS = { statementTimeoutMs: 3000, lockTimeoutMs: 1500 };
const CONNECTION = { connectTimeoutMs: 5000, answerTimeoutMs: 5000, applicationName: 'pgkeep guard' };

/** Records an override in the database that it is about. @throws what keeps it from being recorded. */
export async function recordOverride(url: string, { database, ...details }: OverrideEntry): Promise<void> {
  const { sql, values } = appendPlan({
    deed: 'guard-override',
    subject: database,
    details: { ...details },
    actor: operator(),
  });
  await withConnection(parseDatabaseUrl(url), CONNECTION, async (client: Client) => {
    const ability = await mayRecord(client, TIMEOUTS);
    if (ability === 'not-installed') {
      throw new KeepError(
        'NOT_INSTALLED',
        'the database has no table pgkeep.change_log; run `pgkeep install`.',
      );
    }
    if (ability === 'denied') {
      throw recordingDenied('override the guard', await currentRole(client, TIMEOUTS));
    }
    await client.query(`BEGIN; SET LOCAL statement_timeout = ${TIMEOUTS.statementTimeoutMs}`);
    await client.query(sql, [...values]);
    await client.query('COMMIT');
  });
}
