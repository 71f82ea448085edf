import { Inject, Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { appendPlan, mayRecord, operator } from '../audit-log/append.js';
import type { NewEntry } from '../audit-log/audit-log.types.js';
import { describeDatabaseUrl } from '../config/database-url.js';
import type { EnvironmentName, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { errorCode, PgkeepError } from '../core/errors.js';
import { databaseError } from '../postgres/database-fault.js';
import { DatabaseService, withRecords } from '../postgres/database.service.js';
import { read, type ReadTimeouts } from '../postgres/read.js';
import {
  type DatabaseIdentity,
  sameDatabase,
  type StampOptions,
  type StampReading,
  type StampReport,
} from './environment.types.js';
import {
  readIdentity,
  readStamp,
  requireConsent,
  requireRecordable,
  requireStampable,
  type Situation,
  stampEntry,
} from './stamp.js';

/** Prisma's codes for a row that is there already, and for one that is no longer as it was. */
const STAMPED_MEANWHILE = new Set(['P2002', 'P2025']);

/** Writes the stamp: the record in the database of which environment it serves. */
@Injectable()
export class StampService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
    private readonly clock: Clock,
  ) {}

  /**
   * Stamps the database. The same stamp again is no error; the stamp of another environment is replaced only with
   * `replace` and the database's name as `target`. A stamp that cannot be recorded in the audit log is not written.
   * @throws PgkeepError `STAMP_REFUSED`, `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async stamp(environment: EnvironmentName, options: StampOptions = {}): Promise<StampReport> {
    const situation = await this.look();
    const identity = requireStampable(environment, situation);
    requireConsent(environment, situation, options);
    const { reading, database } = situation;
    const changed =
      reading.kind !== 'stamped' ||
      reading.stamp.environment !== environment ||
      !sameDatabase(reading.stamp, identity);
    if (changed) {
      requireRecordable(environment, situation);
      const entry = stampEntry(environment, identity, situation, options.actor ?? operator());
      await this.write(environment, identity, situation, entry);
    }
    return { environment, database, ...identity, changed };
  }

  /** Stamps a database that has no stamp yet; undefined where it has one, or no place for it. */
  async stampIfUnstamped(environment: EnvironmentName, actor?: string): Promise<StampReport | undefined> {
    const { reading } = await this.look();
    if (reading.kind !== 'unstamped') return undefined;
    return await this.stamp(environment, actor === undefined ? {} : { actor });
  }

  private async look(): Promise<Situation> {
    const { primary, timeouts } = this.database;
    return await this.explained(() =>
      this.database.withPooled(primary, async (client) => {
        const reading = await readStamp(client, timeouts);
        const identity = await readIdentity(client, timeouts);
        const recording = await mayRecord(client, timeouts);
        const [names] = await read<{ role: string; database: string }>(client, {
          sql: 'SELECT current_user::text AS role, pg_catalog.current_database()::text AS database',
          ...timeouts,
        });
        const mayWrite = await mayWriteStamp(client, reading, timeouts);
        const situation = { reading, identity, mayWrite, recording };
        return { ...situation, role: names?.role ?? '', database: names?.database ?? '' };
      }),
    );
  }

  /** Writes the stamp and its audit-log entry in one transaction. */
  private async write(
    environment: EnvironmentName,
    identity: DatabaseIdentity,
    { reading, role }: Situation,
    entry: NewEntry,
  ): Promise<void> {
    const row = {
      environment,
      systemIdentifier: identity.systemIdentifier,
      databaseOid: BigInt(identity.databaseOid),
      stampedAt: this.clock.now(),
      stampedBy: role,
    };
    const append = appendPlan(entry);
    // Replaces only the stamp that was read: of two concurrent stamps, the second must fail.
    const previous = reading.kind === 'stamped' ? reading.stamp.environment : undefined;
    // Behind a pooler the session has the database's own settings, and Prisma's adapter writes times in UTC.
    const writable = 'SET LOCAL transaction_read_only = off';
    const utc = `SET LOCAL timezone = 'UTC'`;
    const timeout = `SET LOCAL statement_timeout = ${this.database.timeouts.statementTimeoutMs}`;
    await this.explained(() =>
      withRecords(this.database, (records) =>
        records.$transaction([
          records.$executeRawUnsafe(writable),
          records.$executeRawUnsafe(utc),
          records.$executeRawUnsafe(timeout),
          previous === undefined
            ? records.databaseEnvironment.create({ data: { id: 1, ...row } })
            : records.databaseEnvironment.update({ where: { id: 1, environment: previous }, data: row }),
          records.$executeRawUnsafe(append.sql, ...append.values),
        ]),
      ),
    );
  }

  private async explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (STAMPED_MEANWHILE.has(errorCode(error) ?? '')) throw stampedMeanwhile(error);
      throw databaseError(`stamp ${describeDatabaseUrl(this.settings.database.url)}`, error);
    }
  }
}

/** Returns whether the role may write the stamp. */
async function mayWriteStamp(
  client: ClientBase,
  reading: StampReading,
  timeouts: ReadTimeouts,
): Promise<boolean> {
  if (reading.kind !== 'stamped' && reading.kind !== 'unstamped') return false;
  const rows = await read<{ may: boolean }>(client, {
    sql: `SELECT pg_catalog.has_table_privilege('pgkeep.database_environment', 'INSERT')
             AND pg_catalog.has_table_privilege('pgkeep.database_environment', 'UPDATE') AS may`,
    ...timeouts,
  });
  return rows[0]?.may === true;
}

function stampedMeanwhile(cause: unknown): PgkeepError {
  return new PgkeepError(
    'STAMP_REFUSED',
    'Refused to stamp the database: another process stamped it at the same moment. This stamp was not written.',
    { hint: 'Run `pgkeep ready` to see the current stamp, then decide again.', cause },
  );
}
