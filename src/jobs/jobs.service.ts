import { oneRow } from '../postgres/read.js';
import { Injectable } from '@nestjs/common';
import type { QueryResultRow } from 'pg';
import { errorCode, PgkeepError } from '../core/errors.js';
import { databaseError } from '../postgres/database-fault.js';
import { DatabaseService } from '../postgres/database.service.js';
import { beginStatements } from '../postgres/transaction.js';
import {
  ABILITY_QUERY,
  beginPlan,
  claimPlan,
  findPlan,
  finishPlan,
  forgetPlan,
  listPlan,
  markLostPlan,
  registerPlan,
  renewPlan,
  type RunRow,
  skipPlan,
  type StatementPlan,
  takeOverPlan,
  toRun,
} from './job-statements.js';
import type { Claim, JobRun, JsonObject, RunOutcome, RunTrigger, ScheduledJob } from './jobs.types.js';
import { type JobsAbility, notAble } from './jobs-ability.js';

const UNIQUE_VIOLATION = '23505';

/** The database's clock, and whether jobs can run there. */
export interface JobsReading {
  readonly now: Date;
  readonly ability: JobsAbility;
}

interface AbilityRow {
  readonly now: Date;
  readonly role: string;
  readonly installed: boolean;
  readonly allowed: boolean;
}

/** When a job came onto the schedule that it has, by the database's clock. */
export interface RegisteredJob extends ScheduledJob {
  readonly since: Date;
}

/** Runs that happen exactly once, whatever number of replicas there is: claims, leases and history, as rows. */
@Injectable()
export class JobsService {
  constructor(private readonly database: DatabaseService) {}

  /** The database's clock and this role's grants. @throws PgkeepError `DATABASE_…`; that jobs cannot run is an answer. */
  async read(): Promise<JobsReading> {
    const row = await this.ability();
    if (!row.installed) return { now: row.now, ability: { kind: 'not-installed' } };
    return { now: row.now, ability: row.allowed ? { kind: 'able' } : { kind: 'denied', role: row.role } };
  }

  /** Writes down which jobs are scheduled how. @throws PgkeepError `DATABASE_…`. */
  async register(jobs: readonly ScheduledJob[]): Promise<void> {
    for (const { name, schedule } of jobs) {
      await this.execute('write the schedule', registerPlan(name, schedule));
    }
  }

  /** The jobs that a service has put onto its schedule. @throws PgkeepError `NOT_INSTALLED`, `DATABASE_…`. */
  async registered(): Promise<readonly RegisteredJob[]> {
    return await this.readRows('read the schedule', {
      sql: 'SELECT name, schedule, since FROM pgkeep.job ORDER BY name',
      values: [],
    });
  }

  /** Marks the run whose holder vanished, where there is one. @throws PgkeepError `DATABASE_…`. */
  async markLost(job: string): Promise<JobRun | undefined> {
    return await this.oneRun('mark a lost run', markLostPlan(job));
  }

  /** Takes over what nobody finished. @throws PgkeepError `DATABASE_…`. */
  async takeOver(claim: Claim, due: Date | undefined): Promise<JobRun | undefined> {
    return await this.oneRun('take over a run', takeOverPlan(claim, due));
  }

  /** Skips a due time that a run has served which was under way. @throws PgkeepError `DATABASE_…`. */
  async skipServed(job: string, due: Date): Promise<JobRun | undefined> {
    return await this.oneRun('skip a run', skipPlan(job, due));
  }

  /** Claims a due time; undefined where it is taken, or another run is under way. @throws PgkeepError `DATABASE_…`. */
  async claim(claim: Claim, due: Date, trigger: RunTrigger): Promise<JobRun | undefined> {
    return await this.oneRun('claim a run', claimPlan(claim, due, trigger));
  }

  /** Begins a run now; undefined where one is under way. @throws PgkeepError `NOT_INSTALLED`, `DATABASE_…`. */
  async begin(claim: Claim, trigger: RunTrigger, parameters: JsonObject): Promise<JobRun | undefined> {
    return await this.oneRun('begin a run', beginPlan(claim, trigger, parameters));
  }

  /** Whether the run is still its holder's, for one more lease from now. @throws PgkeepError `DATABASE_…`. */
  async renew({ id, fence }: JobRun, leaseMs: number): Promise<boolean> {
    return (await this.execute('renew a lease', renewPlan(id, fence, leaseMs))).length > 0;
  }

  /** Writes how a run ended, and forgets the oldest. @returns false where the run is somebody else's by now. */
  async finish({ id, fence, job }: JobRun, outcome: RunOutcome): Promise<boolean> {
    const isOurs = (await this.execute('write how a run ended', finishPlan(id, fence, outcome))).length > 0;
    await this.execute('forget old runs', forgetPlan(job));
    return isOurs;
  }

  /** The newest runs, of one job or of each. @throws PgkeepError `NOT_INSTALLED`, `DATABASE_…`. */
  async list(limit: number, job?: string): Promise<readonly JobRun[]> {
    return (await this.readRows<RunRow>('read the runs', listPlan(limit, job))).map(toRun);
  }

  /** @throws PgkeepError `JOB_RUN_NOT_FOUND`, `NOT_INSTALLED`, `DATABASE_…`. */
  async find(id: string): Promise<JobRun> {
    const [row] = await this.readRows<RunRow>('read a run', findPlan(id));
    if (row) return toRun(row);
    throw new PgkeepError('JOB_RUN_NOT_FOUND', `There is no run "${id}".`, {
      hint: 'Only the newest 500 runs of each job are kept: `pgkeep jobs` shows the latest.',
    });
  }

  private async ability(): Promise<AbilityRow> {
    try {
      return oneRow(await this.run<AbilityRow>({ sql: ABILITY_QUERY, values: [] }));
    } catch (error) {
      throw databaseError('ask for the schedule', error);
    }
  }

  private async oneRun(operation: string, plan: StatementPlan): Promise<JobRun | undefined> {
    const [row] = await this.execute<RunRow>(operation, plan);
    return row && toRun(row);
  }

  private async readRows<Row extends QueryResultRow>(operation: string, plan: StatementPlan): Promise<Row[]> {
    const { ability } = await this.read();
    // Reading takes less than `able`: everybody may.
    if (ability.kind === 'not-installed') throw notAble(operation, ability);
    return await this.execute<Row>(operation, plan);
  }

  private async execute<Row extends QueryResultRow>(operation: string, plan: StatementPlan): Promise<Row[]> {
    try {
      return await this.run<Row>(plan);
    } catch (error) {
      // Another replica's run came between, which the index keeps out: that is an answer.
      if (errorCode(error) === UNIQUE_VIOLATION) return [];
      throw await this.explain(operation, error);
    }
  }

  private async explain(operation: string, error: unknown): Promise<PgkeepError> {
    const isMissing = /^(42P01|3F000|42501)$/.test(errorCode(error) ?? '');
    if (isMissing) {
      const { ability } = await this.read();
      if (ability.kind !== 'able') return notAble(operation, ability);
    }
    return databaseError(operation, error);
  }

  /** A transaction for the timeout alone: a setting of the session would leak to others behind a pooler. */
  private async run<Row extends QueryResultRow>({ sql, values }: StatementPlan): Promise<Row[]> {
    const { primary, timeouts } = this.database;
    return await this.database.withPooled(primary, async (client) => {
      const { statementTimeoutMs } = timeouts;
      await client.query(beginStatements(client, { mode: 'READ WRITE', statementTimeoutMs }));
      const { rows } = await client.query<Row>(sql, [...values]);
      await client.query('COMMIT');
      return rows;
    });
  }
}
