import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { PgkeepError, serverMessageOf } from '../core/errors.js';
import { runOnPool } from '../postgres/connect.js';
import { DatabaseService } from '../postgres/database.service.js';
import { currentRole, read, readOne, tableExists } from '../postgres/read.js';
import { beginStatements } from '../postgres/transaction.js';
import { appendPlan, ENTRIES, mayRecord, recordingDenied } from './append.js';
import type { AuditLogEntry, AuditLogReport, ChainReport, NewEntry, Recording } from './audit-log.types.js';
import { CHAIN_QUERY, type ChainRow, judgeChain } from './verify-chain.js';

interface Row extends Omit<AuditLogEntry, 'recordedAt' | 'previousHash' | 'deed'> {
  readonly recorded_at: Date;
  readonly previous_hash: string;
}

/** Records every action of pgkeep in the database that it concerns, and verifies that record. */
@Injectable()
export class AuditLogService {
  constructor(private readonly database: DatabaseService) {}

  /**
   * Records an action in its own transaction. Where the action is a transaction of this database, add
   * `appendPlan()` to that one instead: both happen, or neither.
   * @throws PgkeepError `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async record(entry: NewEntry): Promise<void> {
    const { sql, values } = appendPlan(entry);
    const { timeouts } = this.database;
    const operation = `record ${entry.action} in the audit log`;
    await this.onPool(operation, async (client) => {
      if ((await mayRecord(client, timeouts)) === 'denied') {
        throw recordingDenied(operation, await currentRole(client, timeouts));
      }
      // A statement that fails leaves the transaction open: the pool discards the connection, and the server ends it.
      const { statementTimeoutMs } = timeouts;
      await client.query(beginStatements(client, { mode: 'READ WRITE', statementTimeoutMs }));
      await client.query(sql, [...values]);
      await client.query('COMMIT');
    });
  }

  /**
   * Records an action that is already done and stays done: a backup must not fail because the database is a standby,
   * has no schema pgkeep, or became unreachable meanwhile.
   */
  async recordDone(entry: NewEntry): Promise<Recording> {
    try {
      await this.record(entry);
      return { recorded: true };
    } catch (error) {
      const hint = error instanceof PgkeepError ? error.hint : undefined;
      return { recorded: false, notRecorded: [serverMessageOf(error), hint].filter(Boolean).join(' ') };
    }
  }

  /**
   * Returns the newest entries, oldest first.
   * @throws PgkeepError `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async list(limit: number): Promise<AuditLogReport> {
    return await this.onPool('read the audit log', async (client) => {
      const rows = await read<Row & { total: number }>(client, {
        sql: LIST_QUERY,
        values: [limit],
        ...this.database.timeouts,
      });
      return { total: rows[0]?.total ?? 0, entries: rows.map(toEntry) };
    });
  }

  /**
   * Returns the newest entry of an action on a subject whose details contain `details`.
   * @throws PgkeepError `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async newest({ action, subject, details }: Omit<NewEntry, 'actor'>): Promise<AuditLogEntry | undefined> {
    return await this.onPool('read the audit log', async (client) => {
      const [row] = await read<Row>(client, {
        sql: NEWEST_QUERY,
        values: [action, subject, JSON.stringify(details)],
        ...this.database.timeouts,
      });
      return row && toEntry(row);
    });
  }

  /**
   * Returns the entries of these actions that were recorded within the last hours, among the newest 500, oldest first.
   * @throws PgkeepError `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async recent(actions: readonly string[], hours: number): Promise<AuditLogEntry[]> {
    return await this.onPool('read the audit log', async (client) => {
      const values = [actions, hours];
      const rows = await read<Row>(client, { sql: RECENT_QUERY, values, ...this.database.timeouts });
      return rows.map(toEntry);
    });
  }

  /**
   * Recomputes the complete chain, in the database.
   * @param knownHead a head that was kept elsewhere: the hash of an entry that was the last one then
   * @throws PgkeepError `NOT_INSTALLED`, or a `DATABASE_…` code; a broken chain is a verdict, not an error.
   */
  async verify(knownHead?: string): Promise<ChainReport> {
    return await this.onPool('verify the audit log', async (client) => {
      const row = await readOne<ChainRow>(client, {
        sql: CHAIN_QUERY,
        values: [knownHead ?? null],
        ...this.database.timeouts,
      });
      return judgeChain(row, knownHead);
    });
  }

  private async onPool<T>(operation: string, work: (client: PoolClient) => Promise<T>): Promise<T> {
    return await runOnPool(this.database, operation, async (client) => {
      const table = { schema: 'pgkeep', table: 'change_log' };
      if (await tableExists(client, table, this.database.timeouts)) return await work(client);
      throw new PgkeepError(
        'NOT_INSTALLED',
        `Cannot ${operation}: the database has no table pgkeep.change_log.`,
        { hint: 'Run `pgkeep install`.' },
      );
    });
  }
}

const LIST_QUERY = `
  SELECT seq::float8 AS seq, recorded_at, action, subject, details, role, actor, previous_hash, hash, total
    FROM (SELECT entry.*, (SELECT pg_catalog.count(*) FROM pgkeep.change_log)::float8 AS total
            FROM ${ENTRIES} ORDER BY seq DESC LIMIT $1) newest
   ORDER BY newest.seq`;

const NEWEST_QUERY = `
  SELECT seq::float8 AS seq, recorded_at, entry.action, subject, details, role, actor, previous_hash, hash
    FROM ${ENTRIES}
   WHERE entry.action = $1 AND subject = $2 AND details @> $3::jsonb
   ORDER BY seq DESC LIMIT 1`;

/** Number by number: there is no index by time. */
const RECENT_QUERY = `
  SELECT seq::float8 AS seq, recorded_at, newest.action, subject, details, role, actor, previous_hash, hash
    FROM (SELECT entry.* FROM ${ENTRIES} ORDER BY seq DESC LIMIT 500) newest
   WHERE newest.action = ANY ($1::text[])
     AND recorded_at > pg_catalog.now() - pg_catalog.make_interval(hours => $2::int)
   ORDER BY newest.seq`;

function toEntry({
  seq,
  recorded_at,
  action,
  subject,
  details,
  role,
  actor,
  previous_hash,
  hash,
}: Row): AuditLogEntry {
  return {
    seq,
    recordedAt: recorded_at.toISOString(),
    action,
    deed: action,
    subject,
    details,
    role,
    actor,
    previousHash: previous_hash,
    hash,
  };
}
