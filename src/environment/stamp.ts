import type { ClientBase } from 'pg';
import { type RecordingAbility, recordingDenied } from '../audit-log/append.js';
import type { NewEntry } from '../audit-log/audit-log.types.js';
import { type EnvironmentName, ENVIRONMENTS } from '../config/settings.js';
import { errorCode, PgkeepError } from '../core/errors.js';
import { currentRole, read, readOne, type ReadTimeouts, tableExists } from '../postgres/read.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import {
  type DatabaseIdentity,
  sameDatabase,
  type StampOptions,
  type StampReading,
} from './environment.types.js';

/** Reads the identity of the database; undefined where the role may not execute `pg_control_system()`. */
export async function readIdentity(
  client: ClientBase,
  timeouts: ReadTimeouts,
): Promise<DatabaseIdentity | undefined> {
  try {
    const rows = await read<{ system_identifier: string; database_oid: string }>(client, {
      sql: `SELECT s.system_identifier::text, d.oid::text AS database_oid
              FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d
             WHERE d.datname = pg_catalog.current_database()`,
      ...timeouts,
    });
    const row = rows[0];
    return row && { systemIdentifier: row.system_identifier, databaseOid: row.database_oid };
  } catch (error) {
    if (errorCode(error) === SQLSTATE.insufficientPrivilege) return undefined;
    throw error;
  }
}

/** Reads the stamp. A missing table or grant is a result. @throws what the connection throws. */
export async function readStamp(client: ClientBase, timeouts: ReadTimeouts): Promise<StampReading> {
  const isInstalled = await tableExists(
    client,
    { schema: 'pgkeep', table: 'database_environment' },
    timeouts,
  );
  if (!isInstalled) return { kind: 'not-installed' };
  try {
    const rows = await read<{
      environment: string;
      system_identifier: string;
      database_oid: string;
      stamped_at: Date;
      stamped_by: string;
    }>(client, {
      sql: `SELECT environment, system_identifier, database_oid::text, stamped_at, stamped_by
              FROM pgkeep.database_environment`,
      ...timeouts,
    });
    const row = rows[0];
    const environment = ENVIRONMENTS.find((name) => name === row?.environment);
    if (!row || !environment) return { kind: 'unstamped' };
    return {
      kind: 'stamped',
      stamp: {
        environment,
        systemIdentifier: row.system_identifier,
        databaseOid: row.database_oid,
        stampedAt: row.stamped_at,
        stampedBy: row.stamped_by,
      },
    };
  } catch (error) {
    if (errorCode(error) === SQLSTATE.insufficientPrivilege)
      return { kind: 'unreadable', role: await currentRole(client, timeouts) };
    throw error;
  }
}

/** Makes the refusal of an operation; `why` completes "Refused to …: ". */
export type RefuseOperation = (why: string, hint: string) => PgkeepError;

/** Requires the primary: a standby takes no writes. @throws what `refuse` makes. */
export async function requirePrimary(
  client: ClientBase,
  timeouts: ReadTimeouts,
  refuse: RefuseOperation,
): Promise<void> {
  const sql = 'SELECT pg_catalog.pg_is_in_recovery() AS "isStandby"';
  const { isStandby } = await readOne<{ isStandby: boolean }>(client, { sql, ...timeouts });
  if (isStandby) throw refuse('the server is a read-only replica', 'Point DATABASE_URL at the primary.');
}

/**
 * Requires a database that this environment may change: the primary, stamped for it or not at all.
 * @throws what `refuse` makes, and what the connection throws.
 */
export async function requireChangeable(
  client: ClientBase,
  { environment, timeouts }: { environment: EnvironmentName; timeouts: ReadTimeouts },
  refuse: RefuseOperation,
): Promise<void> {
  await requirePrimary(client, timeouts, refuse);
  requireStamp(await readStamp(client, timeouts), environment, refuse);
}

/**
 * Requires that the database is stamped for this environment, or not at all.
 * @param reading undefined where the database cannot be read
 * @param refuse makes the refusal, with the code and the words of the operation
 * @throws what `refuse` makes.
 */
export function requireStamp(
  reading: StampReading | undefined,
  environment: EnvironmentName,
  refuse: RefuseOperation,
): void {
  if (reading?.kind !== 'stamped' || reading.stamp.environment === environment) return;
  const { environment: stamped } = reading.stamp;
  throw refuse(
    `this is ${environment} (NODE_ENV), and the database is stamped ${stamped}`,
    `Use \`--env ${stamped}\`, or point DATABASE_URL at the ${environment} database.`,
  );
}

/** The facts that decide whether a stamp is written. */
export interface Situation {
  readonly reading: StampReading;
  readonly identity: DatabaseIdentity | undefined;
  readonly mayWrite: boolean;
  readonly recording: RecordingAbility;
  readonly role: string;
  readonly database: string;
}

/** Returns the entry of a stamp for the audit log. */
export function stampEntry(
  environment: EnvironmentName,
  identity: DatabaseIdentity,
  { reading, database }: Situation,
  actor: string,
): NewEntry {
  const previous = reading.kind === 'stamped' ? reading.stamp : undefined;
  const replaced = previous !== undefined && previous.environment !== environment;
  const details = { from: previous?.environment ?? null, to: environment, replaced, ...identity };
  return { action: 'stamp', subject: database, details, actor };
}

/** Requires that the stamp can be recorded in the audit log. @throws PgkeepError `DATABASE_PERMISSION_DENIED`, `NOT_INSTALLED`. */
export function requireRecordable(environment: EnvironmentName, { recording, role }: Situation): void {
  if (recording === 'denied') throw recordingDenied('stamp the database', role);
  if (recording === 'allowed') return;
  throw new PgkeepError(
    'NOT_INSTALLED',
    'Cannot stamp the database: its schema pgkeep is of an earlier version and has no audit log. Nothing was changed.',
    { hint: `Run \`pgkeep install\`, then \`pgkeep stamp ${environment}\`.` },
  );
}

/** @throws PgkeepError `NOT_INSTALLED`, `DATABASE_PERMISSION_DENIED`. */
export function requireStampable(
  environment: EnvironmentName,
  { reading, identity, mayWrite, role }: Situation,
): DatabaseIdentity {
  if (reading.kind === 'not-installed') {
    throw new PgkeepError(
      'NOT_INSTALLED',
      'Cannot stamp the database: it has no schema pgkeep. Nothing was changed.',
      {
        hint: `Run \`pgkeep install\`, then \`pgkeep stamp ${environment}\`.`,
      },
    );
  }
  if (!mayWrite || !identity) {
    const subject = identity ? 'pgkeep.database_environment' : 'pg_control_system()';
    throw new PgkeepError(
      'DATABASE_PERMISSION_DENIED',
      `Cannot stamp the database: role "${role}" lacks rights on ${subject}. Nothing was changed.`,
      {
        hint: 'Run `pgkeep stamp` as the owner of the database.',
      },
    );
  }
  return identity;
}

/**
 * Requires `--replace` and the name of the database to replace the stamp of another environment: it is what keeps a
 * laptop from marking production as development.
 * @throws PgkeepError `STAMP_REFUSED`.
 */
export function requireConsent(
  environment: EnvironmentName,
  { reading, identity, database }: Situation,
  { replace = false, target }: StampOptions,
): void {
  if (reading.kind !== 'stamped' || reading.stamp.environment === environment) return;
  if (replace && target === database) return;
  const { stamp } = reading;
  const isCopy = identity !== undefined && !sameDatabase(identity, stamp);
  const when = `${stamp.environment} by "${stamp.stampedBy}" on ${stamp.stampedAt.toISOString().slice(0, 10)}`;
  throw new PgkeepError(
    'STAMP_REFUSED',
    `Refused to stamp database "${database}" as ${environment}: it is stamped ${when}${isCopy ? ', when it was another database: this is a copy' : ''}. Nothing was changed.`,
    {
      hint: `To make it the ${environment} database: \`pgkeep stamp ${environment} --replace --target ${database}\`.`,
    },
  );
}
