import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { appendPlan, mayRecord, operator, recordingDenied } from '../../audit-log/append.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { sameDatabase } from '../../environment/environment.types.js';
import { readIdentity, readStamp } from '../../environment/stamp.js';
import { runOnDedicatedConnection } from '../../postgres/connect.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { oneMessage } from '../../postgres/mark.js';
import { currentRole } from '../../postgres/read.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import { beginStatements } from '../../postgres/transaction.js';
import {
  DROP_GUARD_SCHEMA,
  type GuardedTable,
  guardTable,
  INSTALL_GUARD,
  readGuardState,
  releaseTable,
  REMOVE_GUARD,
} from './ddl-guard-state.js';

/** What `pgkeep install --ddl-guard` or `--remove-ddl-guard` did. */
export interface DdlGuardReport {
  readonly database: string;
  /** False if nothing had to be changed. */
  readonly changed: boolean;
  /** Number of the application's tables that have the guard's TRUNCATE trigger now, or from which it was removed. */
  readonly tables: number;
  /** Tables that were locked, or belong to another role: run it again for them. */
  readonly passedOver: readonly string[];
}

/** A table in use is skipped: other sessions would queue behind a waiting lock. */
const TABLE_LOCK_MS = 1000;
/** Dropped in the meantime, or guarded by a concurrent install. */
const PASSED_OVER = new Set<string>([SQLSTATE.lockNotAvailable, SQLSTATE.insufficientPrivilege]);
const SETTLED = new Set<string>([SQLSTATE.undefinedTable, SQLSTATE.duplicateObject]);

/** Makes PostgreSQL refuse DROP and TRUNCATE of the application's tables in production. */
@Injectable()
export class DdlGuardService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
  ) {}

  /**
   * Installs the guard, updates an older one, switches a disabled one on, and adds it to tables that lack
   * it. Needs a database that is stamped production, and a role that can create event triggers.
   * @param actor who does it, for the audit log
   * @throws PgkeepError `GUARD_REFUSED`, `NOT_INSTALLED`, or a `DATABASE_…` code; then nothing was changed.
   */
  async install(actor: string = operator()): Promise<DdlGuardReport> {
    return await this.onDedicatedConnection('install the DDL guard', async (client) => {
      await this.requireProduction(client);
      const { isCurrent, tables } = await readGuardState(client, this.database.timeouts);
      const wanting = tables.filter(({ trigger }) => trigger !== 'on');
      if (!isCurrent || wanting.length > 0) {
        await this.perform(client, { operation: 'install the DDL guard', sql: INSTALL_GUARD, actor });
      }
      const passedOver = await this.eachTable(client, wanting, guardTable);
      return {
        database: this.settings.database.url.database,
        changed: !isCurrent || wanting.length > passedOver.length,
        tables: tables.length - passedOver.length,
        passedOver,
      };
    });
  }

  /**
   * Removes the guard, whatever the database is stamped.
   * @param actor who does it, for the audit log
   * @throws PgkeepError `NOT_INSTALLED`, or a `DATABASE_…` code; then nothing was changed.
   */
  async remove(actor: string = operator()): Promise<DdlGuardReport> {
    return await this.onDedicatedConnection('remove the DDL guard', async (client) => {
      const { database } = this.settings.database.url;
      const { isThere, tables } = await readGuardState(client, this.database.timeouts);
      if (!isThere) return { database, changed: false, tables: 0, passedOver: [] };
      await this.perform(client, { operation: 'remove the DDL guard', sql: REMOVE_GUARD, actor });
      const guarded = tables.filter(({ trigger }) => trigger !== 'missing');
      const passedOver = await this.eachTable(client, guarded, releaseTable);
      // A remaining trigger still needs the functions, although it refuses nothing any more.
      if (passedOver.length === 0) await client.query(DROP_GUARD_SCHEMA);
      return { database, changed: true, tables: guarded.length - passedOver.length, passedOver };
    });
  }

  /** Makes the change and its entry in the audit log in one transaction: both, or neither. */
  private async perform(
    client: Client,
    { operation, sql, actor }: { operation: string; sql: string; actor: string },
  ): Promise<void> {
    const { timeouts } = this.database;
    const { database } = this.settings.database.url;
    const ability = await mayRecord(client, timeouts);
    if (ability === 'denied') throw recordingDenied(operation, await currentRole(client, timeouts));
    if (ability === 'not-installed') {
      throw new PgkeepError(
        'NOT_INSTALLED',
        `Cannot ${operation}: the database has no table pgkeep.change_log.`,
        {
          hint: 'Run `pgkeep install`.',
        },
      );
    }
    const action = sql === INSTALL_GUARD ? 'installed' : 'removed';
    const entry = appendPlan({ action: 'ddl-guard', subject: database, details: { action }, actor });
    const { statementTimeoutMs, lockTimeoutMs } = timeouts;
    try {
      const begin = { mode: 'READ WRITE', statementTimeoutMs, lockTimeoutMs } as const;
      await client.query(beginStatements(client, begin));
      await client.query(sql);
      await client.query(entry.sql, [...entry.values]);
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      if (errorCode(error) !== SQLSTATE.insufficientPrivilege) throw error;
      throw notAllowed(operation, await currentRole(client, timeouts), error);
    }
  }

  /** Runs a statement table by table, so that one lock is held at a time. @returns tables in use, or of another role. */
  private async eachTable(
    client: Client,
    tables: readonly GuardedTable[],
    statement: (table: GuardedTable) => string,
  ): Promise<string[]> {
    const passedOver: string[] = [];
    for (const table of tables) {
      try {
        const lockTimeout = `SET LOCAL lock_timeout = ${TABLE_LOCK_MS}`;
        await client.query(oneMessage('BEGIN', lockTimeout, statement(table), 'COMMIT'));
      } catch (error) {
        await client.query('ROLLBACK');
        const code = errorCode(error) ?? '';
        if (SETTLED.has(code)) continue;
        if (!PASSED_OVER.has(code)) throw error;
        passedOver.push(table.name);
      }
    }
    return passedOver;
  }

  private async requireProduction(client: Client): Promise<void> {
    const { timeouts } = this.database;
    const { database } = this.settings.database.url;
    const reading = await readStamp(client, timeouts);
    const identity = await readIdentity(client, timeouts);
    const stamp = reading.kind === 'stamped' ? reading.stamp : undefined;
    const isCopy = stamp !== undefined && identity !== undefined && !sameDatabase(identity, stamp);
    if (stamp?.environment === 'production' && !isCopy) return;
    if (reading.kind === 'unreadable') throw stampUnreadable(reading.role);
    const serves = stamp ? `stamped ${stamp.environment}` : 'not stamped';
    const what = isCopy ? 'a copy that carries the stamp of another' : serves;
    const first = reading.kind === 'not-installed' ? '`pgkeep install` as the database’s owner, then ' : '';
    throw new PgkeepError(
      'GUARD_REFUSED',
      `Refused to install the DDL guard: it is for production, and database "${database}" is ${what}. Nothing was changed.`,
      { hint: `If it serves production: ${first}\`pgkeep stamp production\`, then try again.` },
    );
  }

  private async onDedicatedConnection<T>(
    operation: string,
    work: (client: Client) => Promise<T>,
  ): Promise<T> {
    const options = { operation: `${operation} in`, applicationName: 'pgkeep install' };
    return await runOnDedicatedConnection(this.settings.database, options, work);
  }
}

function stampUnreadable(role: string): PgkeepError {
  return new PgkeepError(
    'DATABASE_PERMISSION_DENIED',
    `Cannot install the DDL guard: role "${role}" cannot read the environment stamp of the database.`,
    { hint: RUN_AS_SUPERUSER },
  );
}

const RUN_AS_SUPERUSER =
  'Run it once with the DATABASE_URL of a superuser (on a managed service: its administrator role). The application keeps its own role.';

function notAllowed(operation: string, role: string, cause: unknown): PgkeepError {
  return new PgkeepError(
    'DATABASE_PERMISSION_DENIED',
    `Cannot ${operation}: role "${role}" cannot create or drop event triggers, which PostgreSQL reserves for superusers. Nothing was changed.`,
    { hint: RUN_AS_SUPERUSER, cause },
  );
}
