import { type ClientBase, escapeIdentifier } from 'pg';
import { appendPlan, mayRecord, recordingDenied } from '../audit-log/append.js';
import type { Json, NewEntry } from '../audit-log/audit-log.types.js';
import type { Externals } from '../config/prisma-project.js';
import type { EnvironmentName } from '../config/settings.js';
import { PgkeepError } from '../core/errors.js';
import { readStamp, requireStamp } from '../environment/stamp.js';
import { readAppliedMigrations } from '../migrations/history/prisma-history.js';
import { currentRole, type ReadTimeouts } from '../postgres/read.js';
import { hasFingerprints } from './compare-structure.js';
import { withParts } from './differences.js';
import type { DriftedObject, DriftLook, DriftReport, FingerprintAction } from './drift.types.js';
import { inStructureTransaction, RECORD_STATEMENT, TIDY_STATEMENTS } from './fingerprint-sql.js';

/** What is recorded. */
export interface NewFingerprint {
  readonly action: FingerprintAction;
  /** PostgreSQL schema of `_prisma_migrations`. */
  readonly schema: string;
  /** What differed before the action: if the action left it so, it still differs. */
  readonly earlier?: readonly DriftedObject[];
  /** What another team or program may change; if unknown, the previous value is kept. */
  readonly externals?: Externals | undefined;
  /** An entry of the audit log for the same transaction. */
  readonly entry?: (migrations: number) => NewEntry;
}

/**
 * Records the current structure. It is read and written inside the server.
 * @returns the number of applied migrations.
 * @throws PgkeepError `NOT_INSTALLED`, `DATABASE_PERMISSION_DENIED`; what the connection throws.
 */
export async function recordFingerprint(
  client: ClientBase,
  { action, schema, earlier = [], externals, entry }: NewFingerprint,
  timeouts: ReadTimeouts,
): Promise<number> {
  await requireWritable(client, timeouts);
  return await inStructureTransaction(client, timeouts, 'READ WRITE', async () => {
    const applied = (await readAppliedMigrations(client, schema)) ?? [];
    const migrations = [...new Set(applied.map(({ name }) => name))];
    const { rows } = await client.query<{ id: string }>(RECORD_STATEMENT, [
      action,
      JSON.stringify(migrations),
      JSON.stringify(earlier),
      externals === undefined ? null : JSON.stringify(externals),
    ]);
    for (const statement of TIDY_STATEMENTS) await client.query(statement, [rows[0]?.id]);
    if (entry) {
      const { sql, values } = appendPlan(entry(migrations.length));
      await client.query(sql, [...values]);
    }
    return migrations.length;
  });
}

/**
 * Checks that a fingerprint can be recorded.
 * @throws PgkeepError `NOT_INSTALLED`, `DATABASE_PERMISSION_DENIED`; what the connection throws.
 */
export async function requireWritable(client: ClientBase, timeouts: ReadTimeouts): Promise<void> {
  if (!(await hasFingerprints(client, timeouts))) {
    throw new PgkeepError(
      'NOT_INSTALLED',
      'Cannot record the structure: the database has no table pgkeep.catalogue_fingerprint.',
      { hint: 'Run `pgkeep install`, then `pgkeep migrate drift --accept`.' },
    );
  }
  const { rows } = await client.query<{ may: boolean }>(
    `SELECT pg_catalog.has_table_privilege('pgkeep.catalogue_fingerprint', 'SELECT')
        AND pg_catalog.has_table_privilege('pgkeep.catalogue_fingerprint', 'INSERT')
        AND pg_catalog.has_table_privilege('pgkeep.catalogue_fingerprint', 'UPDATE')
        AND pg_catalog.has_table_privilege('pgkeep.catalogue_fingerprint', 'DELETE') AS may`,
  );
  if (rows[0]?.may === true) return;
  const role = await currentRole(client, timeouts);
  throw new PgkeepError(
    'DATABASE_PERMISSION_DENIED',
    `Cannot record the structure: role "${role}" cannot write to pgkeep.catalogue_fingerprint.`,
    {
      hint: `Grant it: GRANT SELECT, INSERT, UPDATE, DELETE ON pgkeep.catalogue_fingerprint TO ${escapeIdentifier(role)}; Then run \`pgkeep migrate drift --accept\`.`,
    },
  );
}

/** The most objects that are named in the audit log. */
const NAMED = 50;

/**
 * Checks that the structure of this database may be accepted.
 * @throws PgkeepError `DRIFT_REFUSED`, `DATABASE_PERMISSION_DENIED`; what the connection throws.
 */
export async function requireAcceptable(
  client: ClientBase,
  look: DriftLook,
  environment: EnvironmentName,
  timeouts: ReadTimeouts,
): Promise<void> {
  if (look.kind === 'deploying') {
    throw refused(
      'migrations are being deployed',
      'Wait for the deploy to finish: it records the structure itself.',
    );
  }
  const reading = await readStamp(client, timeouts);
  requireStamp(reading, environment, refused);
  if ((await mayRecord(client, timeouts)) === 'denied') {
    throw recordingDenied('accept the structure', await currentRole(client, timeouts));
  }
}

/** Summarizes what is accepted, for the audit log. */
export function summaryOf({ recorded, objects }: DriftReport): { readonly [name: string]: Json | undefined } {
  const counted = withParts(objects);
  return {
    instead: recorded && { action: recorded.action, recordedAt: recorded.recordedAt },
    objects: counted.length,
    named: counted
      .slice(0, NAMED)
      .map(({ object: { change, home, object } }) =>
        [change, object, ...(home === '' ? [] : ['of', home])].join(' '),
      ),
  };
}

function refused(why: string, hint: string): PgkeepError {
  return new PgkeepError('DRIFT_REFUSED', `Refused to accept the structure: ${why}. Nothing was recorded.`, {
    hint,
  });
}
