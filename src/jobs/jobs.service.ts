import { Injectable } from '@nestjs/common';
import type { ClientBase, QueryResultRow } from 'pg';
import { errorCode, PgkeepError } from '../core/errors.js';
import { databaseError } from '../postgres/database-fault.js';
import { DatabaseService } from '../postgres/database.service.js';
import { oneRow } from '../postgres/read.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import { beginStatements } from '../postgres/transaction.js';
import {
  ABILITY,
  beginPlan,
  claimPlan,
  deleteOldPlan,
  findPlan,
  finishPlan,
  listPlan,
  markLostPlan,
  REGISTERED,
  registerPlan,
  renewPlan,
  type RunRow,
  skipPlan,
  type StatementPlan,
  takeOverPlan,
  toRun,
} from './job-statements.js';
import {
  type Claim,
  type JobRun,
  type JobsAbility,
  type JsonObject,
  type RunOutcome,
  type RunTrigger,
  type ScheduledJob,
  unableError,
} from './jobs.types.js';

/** The database's clock, and whether jobs can run there. */
export interface JobsReading {
  readonly now: Date;
  readonly ability: JobsAbility;
}

/** The same, with the schedule and the newest runs: none where the tables are missing. */
export interface JobsState extends JobsReading {
  readonly registered: readonly RegisteredJob[];
  readonly runs: readonly JobRun[];
}

interface AbilityRow {
  readonly now: Date;
  readonly role: string;
  readonly installed: boolean;
  readonly allowed: boolean;
}

/** A job on the schedule, and since when it has that schedule, by the database's clock. */
export interface RegisteredJob extends ScheduledJob {
  readonly since: Date;
}

/** Runs each job exactly once, however many replicas there are: claims, leases and history are rows. */
@Injectable()
export class JobsService {
  constructor(private readonly database: DatabaseService) {}

  /** Reads the database's clock, and whether jobs can run. @throws PgkeepError `DATABASE_…`. */
  async read(): Promise<JobsReading> {
    try {
      return toReading(oneRow(await this.run<AbilityRow>(ABILITY)));
    } catch (error) {
      throw databaseError('read the schedule', error);
    }
  }

  /**
   * Reads all of it in one transaction: every replica asks every few seconds, and the first verdict waits for it.
   * @param limit how many runs of each job
   * @throws PgkeepError `DATABASE_…`.
   */
  async state(limit: number): Promise<JobsState> {
    try {
      return await this.transaction(async (client) => {
        const reading = toReading(oneRow(await rowsOf<AbilityRow>(client, ABILITY)));
        if (reading.ability.kind === 'not-installed') return { ...reading, registered: [], runs: [] };
        const registered = await rowsOf<RegisteredJob>(client, REGISTERED);
        const runs = await rowsOf<RunRow>(client, listPlan(limit, undefined));
        return { ...reading, registered, runs: runs.map(toRun) };
      });
    } catch (error) {
      throw await this.explain('read the schedule', error);
    }
  }

  /** Records the schedule of each job. @throws PgkeepError `DATABASE_…`. */
  async register(jobs: readonly ScheduledJob[]): Promise<void> {
    for (const { name, schedule } of jobs) {
      await this.execute('record the schedule', registerPlan(name, schedule));
    }
  }

  /** Reads the jobs on the schedule. @throws PgkeepError `NOT_INSTALLED`, `DATABASE_…`. */
  async registered(): Promise<readonly RegisteredJob[]> {
    return await this.readRows('read the schedule', REGISTERED);
  }

  /** Marks the run whose lease has expired as lost, where there is one. @throws PgkeepError `DATABASE_…`. */
  async markLost(job: string): Promise<JobRun | undefined> {
    return await this.oneRun('mark a lost run', markLostPlan(job));
  }

  /** Takes over a run that was not finished. @throws PgkeepError `DATABASE_…`. */
  async takeOver(claim: Claim, due: Date | undefined): Promise<JobRun | undefined> {
    return await this.oneRun('take over a run', takeOverPlan(claim, due));
  }

  /** Skips a due time at which a run was active that has succeeded since. @throws PgkeepError `DATABASE_…`. */
  async skipServed(job: string, due: Date): Promise<JobRun | undefined> {
    return await this.oneRun('skip a run', skipPlan(job, due));
  }

  /** Claims a due time. Returns undefined where it is taken, or another run is active. @throws PgkeepError `DATABASE_…`. */
  async claim(claim: Claim, due: Date, trigger: RunTrigger): Promise<JobRun | undefined> {
    return await this.oneRun('claim a run', claimPlan(claim, due, trigger));
  }

  /** Starts a run now. Returns undefined where one is active. @throws PgkeepError `NOT_INSTALLED`, `DATABASE_…`. */
  async begin(claim: Claim, trigger: RunTrigger, parameters: JsonObject): Promise<JobRun | undefined> {
    return await this.oneRun('start a run', beginPlan(claim, trigger, parameters));
  }

  /** Renews the lease. Returns false where the run has another holder, or its lease has expired. @throws PgkeepError `DATABASE_…`. */
  async renew({ id, fence }: JobRun, leaseMs: number): Promise<boolean> {
    return (await this.execute('renew a lease', renewPlan(id, fence, leaseMs))).length > 0;
  }

  /** Records how a run ended, and deletes the oldest runs. Returns false where the run has another holder by now. */
  async finish({ id, fence, job }: JobRun, outcome: RunOutcome): Promise<boolean> {
    const isOurs = (await this.execute('record how a run ended', finishPlan(id, fence, outcome))).length > 0;
    await this.execute('delete old runs', deleteOldPlan(job));
    return isOurs;
  }

  /** Reads the newest runs, of one job or of each. @throws PgkeepError `NOT_INSTALLED`, `DATABASE_…`. */
  async list(limit: number, job?: string): Promise<readonly JobRun[]> {
    return (await this.readRows<RunRow>('read the runs', listPlan(limit, job))).map(toRun);
  }

  /** Reads one run. @throws PgkeepError `JOB_RUN_NOT_FOUND`, `NOT_INSTALLED`, `DATABASE_…`. */
  async find(id: string): Promise<JobRun> {
    const [row] = await this.readRows<RunRow>('read a run', findPlan(id));
    if (row) return toRun(row);
    throw new PgkeepError('JOB_RUN_NOT_FOUND', `There is no run "${id}".`, {
      hint: 'Only the newest 500 runs of each job are kept: `pgkeep jobs` shows the latest.',
    });
  }

  private async oneRun(operation: string, plan: StatementPlan): Promise<JobRun | undefined> {
    const [row] = await this.execute<RunRow>(operation, plan);
    return row && toRun(row);
  }

  private async readRows<Row extends QueryResultRow>(operation: string, plan: StatementPlan): Promise<Row[]> {
    const { ability } = await this.read();
    // Reading needs no more than the tables: a role that may not write is no obstacle.
    if (ability.kind === 'not-installed') throw unableError(operation, ability);
    return await this.execute<Row>(operation, plan);
  }

  private async execute<Row extends QueryResultRow>(operation: string, plan: StatementPlan): Promise<Row[]> {
    try {
      return await this.run<Row>(plan);
    } catch (error) {
      // Another replica was faster; the unique index refused this one.
      if (errorCode(error) === SQLSTATE.uniqueViolation) return [];
      throw await this.explain(operation, error);
    }
  }

  private async explain(operation: string, error: unknown): Promise<PgkeepError> {
    const isMissing = /^(42P01|3F000|42501)$/.test(errorCode(error) ?? '');
    if (isMissing) {
      const { ability } = await this.read();
      if (ability.kind !== 'able') return unableError(operation, ability);
    }
    return databaseError(operation, error);
  }

  private async run<Row extends QueryResultRow>(plan: StatementPlan): Promise<Row[]> {
    return await this.transaction((client) => rowsOf<Row>(client, plan));
  }

  /** Works in a transaction, for the timeout alone: behind a pooler a session's setting would leak to others. */
  private async transaction<T>(work: (client: ClientBase) => Promise<T>): Promise<T> {
    const { primary, timeouts } = this.database;
    return await this.database.withPooled(primary, async (client) => {
      const { statementTimeoutMs } = timeouts;
      await client.query(beginStatements(client, { mode: 'READ WRITE', statementTimeoutMs }));
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    });
  }
}

async function rowsOf<Row extends QueryResultRow>(
  client: ClientBase,
  { sql, values }: StatementPlan,
): Promise<Row[]> {
  return (await client.query<Row>(sql, [...values])).rows;
}

function toReading({ now, installed, allowed, role }: AbilityRow): JobsReading {
  if (!installed) return { now, ability: { kind: 'not-installed' } };
  return { now, ability: allowed ? { kind: 'able' } : { kind: 'denied', role } };
}
