import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { type ClientBase, escapeIdentifier, type PoolClient } from 'pg';
import { appendPlan, mayRecord, recordingDenied } from '../audit-log/append.js';
import { Clock } from '../core/clock.js';
import { PgkeepError, serverMessageOf } from '../core/errors.js';
import { runOnPool } from '../postgres/connect.js';
import { DatabaseService } from '../postgres/database.service.js';
import { currentRole, mayInsert, queryOne, read, tableExists } from '../postgres/read.js';
import { beginStatements } from '../postgres/transaction.js';

const TABLE = { schema: 'pgkeep', table: 'ended_session' } as const;

/** The list is read at most this often; a replica notices the end of a session within this time. */
const PERIOD_MS = 2000;

/** What could not be recorded is tried again after this time. */
const RETRY_MS = 5000;

/** How long a request waits for the list. Pages must come while the database does not answer. */
const LONGEST_WAIT_MS = 250;

/** The end of all sessions. */
export interface AllSessionsEnd {
  /** The database whose service's sessions ended. */
  readonly database: string;
}

interface Known {
  /** The ids of the sessions that ended before their time. */
  readonly ids: ReadonlySet<string>;
  /** The id of the newest end of all sessions; empty where there was none. */
  readonly generation: string;
}

/**
 * The sessions that ended before their time, in a table that all replicas read. While the database does not answer, the
 * list that was read last counts: the pages must show the outage.
 */
@Injectable()
export class EndedSessions implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Access');
  private known: Known = { ids: new Set(), generation: '' };
  private nextReadAt = 0;
  private reading: Promise<boolean> | undefined;
  private databaseAnswers = true;
  /** The sessions that ended in this process, until they would have expired. */
  private readonly endedHere = new Map<string, { readonly expiresAt: Date; isRecorded: boolean }>();
  private retry: NodeJS.Timeout | undefined;
  private isStopping = false;
  /** The newest fault that was logged: it is logged once. */
  private logged: string | undefined;

  constructor(
    private readonly database: DatabaseService,
    private readonly clock: Clock,
  ) {}

  /** Returns whether a session has ended before its time. */
  async has({ id, generation }: { id: string; generation: string }): Promise<boolean> {
    if (this.endedHere.has(id)) return true;
    const known = await this.current();
    return known.ids.has(id) || known.generation !== generation;
  }

  /** Returns the generation of sessions that begin now. */
  async generation(): Promise<string> {
    return (await this.current()).generation;
  }

  /**
   * Ends a session. Where that cannot be recorded, it ends in this process, and is recorded later.
   * @returns whether the other replicas learn of it now.
   */
  async end(id: string, expiresAt: Date): Promise<boolean> {
    this.endedHere.set(id, { expiresAt, isRecorded: false });
    return await this.recordEnded();
  }

  /**
   * Ends every session, with an entry in the audit log.
   * @throws PgkeepError `NOT_INSTALLED`, `DATABASE_PERMISSION_DENIED`, or another `DATABASE_…` code.
   */
  async endAll(actor: string): Promise<AllSessionsEnd> {
    const generation = randomUUID();
    const operation = 'end all sessions';
    const { timeouts } = this.database;
    const database = await this.writing(operation, async (client) => {
      if ((await mayRecord(client, timeouts)) === 'denied') {
        throw recordingDenied(operation, await currentRole(client, timeouts));
      }
      await this.begin(client);
      const { name } = await queryOne<{ name: string }>(client, REPLACE_ALL, [generation]);
      const { sql, values } = appendPlan({ action: 'end-sessions', subject: name, details: {}, actor });
      await client.query(sql, [...values]);
      return name;
    });
    // What was read before this must not replace it.
    await this.reading;
    this.known = { ids: new Set(), generation };
    return { database };
  }

  /** Returns the list, which is read where it is older than the period. */
  private async current(): Promise<Known> {
    const now = this.clock.monotonicMs();
    if (now >= this.nextReadAt) {
      this.nextReadAt = now + PERIOD_MS;
      this.reading ??= this.refresh().finally(() => (this.reading = undefined));
    }
    if (this.reading && this.databaseAnswers) {
      const late = sleep(LONGEST_WAIT_MS, false, { ref: false });
      // Where that is too long, others do not wait until the database answers again.
      this.databaseAnswers = await Promise.race([this.reading, late]);
    }
    return this.known;
  }

  /** Reads the list, and returns whether that succeeded; a failure leaves the last one. */
  private async refresh(): Promise<boolean> {
    try {
      const operation = 'read which sessions have ended';
      this.known = await runOnPool(this.database, operation, async (client) => await this.readKnown(client));
      this.databaseAnswers = true;
      return true;
    } catch (error) {
      this.warn(error);
      return false;
    }
  }

  private async readKnown(client: PoolClient): Promise<Known> {
    const { timeouts } = this.database;
    // Without this question the server's log would have an error at every period.
    if (!(await tableExists(client, TABLE, timeouts))) return { ids: new Set(), generation: '' };
    const rows = await read<{ id: string; all: boolean }>(client, { sql: LIST, ...timeouts });
    return {
      ids: new Set(rows.filter(({ all }) => !all).map(({ id }) => id)),
      generation: rows.find(({ all }) => all)?.id ?? '',
    };
  }

  beforeApplicationShutdown(): void {
    clearTimeout(this.retry);
    this.isStopping = true;
  }

  /** Writes what ended here into the table. Returns whether that succeeded; where not, it is tried again. */
  private async recordEnded(): Promise<boolean> {
    const now = this.clock.now();
    for (const [id, { expiresAt }] of this.endedHere) if (expiresAt < now) this.endedHere.delete(id);
    const ended = [...this.endedHere].filter(([, { isRecorded }]) => !isRecorded);
    try {
      await this.writing('end a session', async (client) => {
        await this.begin(client);
        const ids = ended.map(([id]) => id);
        await client.query(RECORD, [ids, ended.map(([, { expiresAt }]) => expiresAt.toISOString())]);
      });
    } catch (error) {
      this.warn(error);
      this.retryLater();
      return false;
    }
    for (const [, one] of ended) one.isRecorded = true;
    return true;
  }

  private retryLater(): void {
    if (this.isStopping) return;
    this.retry ??= setTimeout(() => {
      this.retry = undefined;
      void this.recordEnded();
    }, RETRY_MS).unref();
  }

  /**
   * Runs `work`, which begins the transaction that is committed afterwards.
   * @throws PgkeepError `NOT_INSTALLED`, `DATABASE_PERMISSION_DENIED`, or another `DATABASE_…` code.
   */
  private async writing<T>(operation: string, work: (client: ClientBase) => Promise<T>): Promise<T> {
    const { timeouts } = this.database;
    return await runOnPool(this.database, operation, async (client) => {
      const allowed = await mayInsert(client, TABLE, timeouts);
      if (allowed === undefined) throw notInstalled(operation);
      if (!allowed) throw denied(operation, await currentRole(client, timeouts));
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    });
  }

  private async begin(client: ClientBase): Promise<void> {
    const { statementTimeoutMs } = this.database.timeouts;
    await client.query(beginStatements(client, { mode: 'READ WRITE', statementTimeoutMs }));
  }

  private warn(error: unknown): void {
    const hint = error instanceof PgkeepError ? error.hint : undefined;
    const text = [serverMessageOf(error), hint].filter(Boolean).join(' ');
    if (text !== this.logged) this.logger.warn(text);
    this.logged = text;
  }
}

const LIST = `
  SELECT id, expires_at = 'infinity' AS all
    FROM pgkeep.ended_session
   WHERE expires_at > pg_catalog.now()
   ORDER BY id`;

/** Deletes what has expired meanwhile as well: the table stays as small as the number of sign-outs in half a day. */
const RECORD = `
  WITH expired AS (DELETE FROM pgkeep.ended_session WHERE expires_at < pg_catalog.now())
  INSERT INTO pgkeep.ended_session (id, expires_at)
  SELECT * FROM ROWS FROM (pg_catalog.unnest($1::uuid[]), pg_catalog.unnest($2::timestamptz[])) ended
  ON CONFLICT (id) DO NOTHING`;

/** Removes every id: sessions of an earlier generation have ended anyway. */
const REPLACE_ALL = `
  WITH earlier AS (DELETE FROM pgkeep.ended_session)
  INSERT INTO pgkeep.ended_session (id, expires_at) VALUES ($1, 'infinity')
  RETURNING pg_catalog.current_database()::text AS name`;

function notInstalled(operation: string): PgkeepError {
  return new PgkeepError(
    'NOT_INSTALLED',
    `Cannot ${operation}: the database has no table pgkeep.ended_session.`,
    { hint: 'Run `pgkeep install`.' },
  );
}

function denied(operation: string, role: string): PgkeepError {
  const name = escapeIdentifier(role);
  return new PgkeepError(
    'DATABASE_PERMISSION_DENIED',
    `Cannot ${operation}: role ${name} may not write pgkeep.ended_session.`,
    {
      hint: `Run as the owner of the schema: GRANT SELECT, INSERT, DELETE ON pgkeep.ended_session TO ${name};`,
    },
  );
}
