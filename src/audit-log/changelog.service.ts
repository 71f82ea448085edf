import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { currentRole } from '../postgres/current-role.js';
import { databaseError } from '../postgres/database-fault.js';
import { DatabaseService } from '../postgres/database.service.js';
import { read } from '../postgres/read.js';
import { tableExists } from '../postgres/table-exists.js';
import { beginStatements } from '../postgres/transaction.js';
import { KeepError, serverMessageOf } from '../core/errors.js';
import { appendPlan } from './append.js';
import { CHAIN_QUERY, type ChainRow } from './chain-query.js';
import type { ChainReport, ChangelogEntry, ChangelogReport, NewEntry, Recording } from './changelog.types.js';
import { judgeChain } from './judge-chain.js';
import { mayRecord, recordingDenied } from './may-record.js';

interface Row extends Omit<ChangelogEntry, 'recordedAt' | 'previousHash'> {
  readonly recorded_at: Date;
  readonly previous_hash: string;
}

/** The record of every deed, in the database it was done to. */
@Injectable()
export class ChangelogService {
  constructor(private readonly database: DatabaseService) {}

  /**
   * Records a deed in a transaction of its own. Where the deed is a transaction of this database, put
   * `appendPlan()` into that instead: both happen, or neither.
   * @throws KeepError `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async record(entry: NewEntry): Promise<void> {
    const { sql, values } = appendPlan(entry);
    const { timeouts } = this.database;
    const operation = `record ${entry.deed} in the changelog`;
    await this.onPool(operation, async (client) => {
      if ((await mayRecord(client, timeouts)) === 'denied') {
        throw recordingDenied(operation, await currentRole(client, timeouts));
      }
      // One that fails leaves its transaction open: the pool then discards the connection, and the server ends it.
      const { statementTimeoutMs } = timeouts;
      await client.query(beginStatements(client, { mode: 'READ WRITE', statementTimeoutMs }));
      await client.query(sql, [...values]);
      await client.query('COMMIT');
    });
  }

  /**
   * Records a deed that is done already and stays done: a backup must not fail because the database is a standby,
   * was never installed into, or went away meanwhile.
   */
  async recordDone(entry: NewEntry): Promise<Recording> {
    try {
      await this.record(entry);
      return { recorded: true };
    } catch (error) {
      const hint = error instanceof KeepError ? error.hint : undefined;
      return { recorded: false, notRecorded: [serverMessageOf(error), hint].filter(Boolean).join(' ') };
    }
  }

  /**
   * The newest entries, oldest first.
   * @throws KeepError `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async list(limit: number): Promise<ChangelogReport> {
    return await this.onPool('read the changelog', async (client) => {
      const rows = await read<Row & { total: number }>(client, {
        sql: LIST_QUERY,
        values: [limit],
        ...this.database.timeouts,
      });
      return { total: rows[0]?.total ?? 0, entries: rows.map(toEntry) };
    });
  }

  /**
   * The newest entry of a deed on a subject whose details hold these.
   * @throws KeepError `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async newest({ deed, subject, details }: Omit<NewEntry, 'actor'>): Promise<ChangelogEntry | undefined> {
    return await this.onPool('read the changelog', async (client) => {
      const [row] = await read<Row>(client, {
        sql: NEWEST_QUERY,
        values: [deed, subject, JSON.stringify(details)],
        ...this.database.timeouts,
      });
      return row && toEntry(row);
    });
  }

  /**
   * Recomputes the whole chain, in the database.
   * @param knownHead a head that was kept elsewhere, then or now the last entry's hash
   * @throws KeepError `NOT_INSTALLED`, or a `DATABASE_…` code; a broken chain is a verdict, not an error.
   */
  async verify(knownHead?: string): Promise<ChainReport> {
    return await this.onPool('verify the changelog', async (client) => {
      const [row] = await read<ChainRow>(client, {
        sql: CHAIN_QUERY,
        values: [knownHead ?? null],
        ...this.database.timeouts,
      });
      if (!row) throw new Error('the server answered without a row');
      return judgeChain(row, knownHead);
    });
  }

  private async onPool<T>(operation: string, work: (client: PoolClient) => Promise<T>): Promise<T> {
    const { primary, timeouts } = this.database;
    try {
      return await this.database.withPooled(primary, async (client) => {
        const table = { schema: 'pgkeep', table: 'change_log' };
        if (await tableExists(client, table, timeouts)) return await work(client);
        throw new KeepError(
          'NOT_INSTALLED',
          `Cannot ${operation}: the database has no table pgkeep.change_log.`,
          { hint: 'Run `pgkeep install`.' },
        );
      });
    } catch (error) {
      throw error instanceof KeepError ? error : databaseError(operation, error);
    }
  }
}

const LIST_QUERY = `
  SELECT seq::float8 AS seq, recorded_at, deed, subject, details, role, actor, previous_hash, hash, total
    FROM (SELECT *, (SELECT pg_catalog.count(*) FROM pgkeep.change_log)::float8 AS total
            FROM pgkeep.change_log ORDER BY seq DESC LIMIT $1) newest
   ORDER BY newest.seq`;

const NEWEST_QUERY = `
  SELECT seq::float8 AS seq, recorded_at, deed, subject, details, role, actor, previous_hash, hash
    FROM pgkeep.change_log
   WHERE deed = $1 AND subject = $2 AND details @> $3::jsonb
   ORDER BY seq DESC LIMIT 1`;

function toEntry({
  seq,
  recorded_at,
  deed,
  subject,
  details,
  role,
  actor,
  previous_hash,
  hash,
}: Row): ChangelogEntry {
  return {
    seq,
    recordedAt: recorded_at.toISOString(),
    deed,
    subject,
    details,
    role,
    actor,
    previousHash: previous_hash,
    hash,
  };
}
