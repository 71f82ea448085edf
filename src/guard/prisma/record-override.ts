import type { Client } from 'pg';
import { appendPlan, ENTRIES, mayRecord, operator, recordingDenied } from '../../audit-log/append.js';
import { parseDatabaseUrl } from '../../config/database-url.js';
import { PgkeepError } from '../../core/errors.js';
import { withConnection } from '../../postgres/connect.js';
import { currentRole, read } from '../../postgres/read.js';
import { beginStatements } from '../../postgres/transaction.js';
import { LAUNCHER } from './guard.js';

/** What the audit log records of an override. */
export interface OverrideEntry {
  readonly database: string;
  readonly command: string;
  /** The refusal that was overridden. */
  readonly refused: string;
  /** What called the guard: `prisma.config.ts`, `pgkeep prisma`. Stored as `door` before version 0.2. */
  readonly via: string;
  readonly environment: string;
}

/** How long Prisma may take from its start to loading its configuration. */
const START_SECONDS = 60;

const TIMEOUTS = { statementTimeoutMs: 3000, lockTimeoutMs: 1500 };
const CONNECTION = {
  connectTimeoutMs: 5000,
  answerTimeoutMs: 5000,
  applicationName: 'pgkeep guard',
  throughPooler: true,
};

/**
 * Records an override in the database concerned, unless the parent process has just
 * recorded it.
 * @throws if it cannot be recorded.
 */
export async function recordOverride(url: string, { database, ...entry }: OverrideEntry): Promise<void> {
  const actor = operator();
  const details = { ...entry, ...(entry.via === LAUNCHER && { pid: process.pid }) };
  const { sql, values } = appendPlan({ action: 'guard-override', subject: database, details, actor });
  await withConnection(parseDatabaseUrl(url), CONNECTION, async (client: Client) => {
    const ability = await mayRecord(client, TIMEOUTS);
    if (ability === 'not-installed') {
      throw new PgkeepError(
        'NOT_INSTALLED',
        'the database has no table pgkeep.change_log; run `pgkeep install`.',
      );
    }
    if (ability === 'denied') {
      throw recordingDenied('override the guard', await currentRole(client, TIMEOUTS));
    }
    const recorded = await read(client, {
      sql: `SELECT FROM ${ENTRIES}
             WHERE entry.action = 'guard-override' AND subject = $1 AND actor = $2 AND details->>'command' = $3
               AND coalesce(details->>'via', details->>'door') = '${LAUNCHER}' AND details->>'pid' = $4
               AND recorded_at > pg_catalog.now() - interval '${START_SECONDS} seconds'`,
      values: [database, actor, entry.command, String(process.ppid)],
      ...TIMEOUTS,
    });
    if (recorded.length > 0) return;
    const { statementTimeoutMs } = TIMEOUTS;
    await client.query(beginStatements(client, { mode: 'READ WRITE', statementTimeoutMs }));
    await client.query(sql, [...values]);
    await client.query('COMMIT');
  });
}
