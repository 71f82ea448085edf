import type { ClientBase } from 'pg';
import { type RecordingAbility, recordingDenied } from '../audit-log/append.js';
import type { NewEntry } from '../audit-log/audit-log.types.js';
import { type EnvironmentName, ENVIRONMENTS } from '../config/settings.js';
import { errorCode, PgkeepError } from '../core/errors.js';
import { currentRole, read, type ReadTimeouts, tableExists } from '../postgres/read.js';
import {
  type DatabaseIdentity,
  sameDatabase,
  type StampOptions,
  type StampReading,
} from './environment.types.js';

/** Asks who the database is. Undefined where the role may not execute `pg_control_system()`. */
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
    if (errorCode(error) === '42501') return undefined;
    throw error;
  }
}

/** Reads the stamp. @throws what the connection throws; a missing table or grant is a reading, not an error. */
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
    if (errorCode(error) === '42501')
      return { kind: 'unreadable', role: await currentRole(client, timeouts) };
    throw error;
  }
}

/** Returns the grants without which a role cannot read the stamp. @param role quoted where SQL needs it */
export function stampGrants(role: string): string {
  return `GRANT USAGE ON SCHEMA pgkeep TO ${role}; GRANT SELECT ON pgkeep.database_environment TO ${role}`;
}

/** What a stamp is decided on. */
export interface Situation {
  readonly reading: StampReading;
  readonly identity: DatabaseIdentity | undefined;
  readonly mayWrite: boolean;
  readonly recording: RecordingAbility;
  readonly role: string;
  readonly database: string;
}

/** The stamp's entry in the audit log. */
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

/** No action without its entry. @throws PgkeepError `DATABASE_PERMISSION_DENIED`, `NOT_INSTALLED`. */
export function requireRecordable(environment: EnvironmentName, { recording, role }: Situation): void {
  if (recording === 'denied') throw recordingDenied('stamp the database', role);
  if (recording === 'allowed') return;
  throw new PgkeepError(
    'NOT_INSTALLED',
    'Cannot stamp the database: pgkeep’s schema in it is older than this pgkeep, and cannot record the stamp.',
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
      'Cannot stamp the database: pgkeep’s schema is not installed in it.',
      {
        hint: `Run \`pgkeep install\`, then \`pgkeep stamp ${environment}\`.`,
      },
    );
  }
  if (!mayWrite || !identity) {
    const subject = identity ? 'pgkeep.database_environment' : 'pg_control_system()';
    throw new PgkeepError(
      'DATABASE_PERMISSION_DENIED',
      `Cannot stamp the database: role "${role}" may not use ${subject}.`,
      {
        hint: 'Run `pgkeep stamp` as the database’s owner.',
      },
    );
  }
  return identity;
}

/**
 * Another environment's stamp is the one thing that keeps a laptop from passing for production.
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
      hint: `If it really is to serve ${environment} from now on: \`pgkeep stamp ${environment} --replace --target ${database}\`.`,
    },
  );
}
