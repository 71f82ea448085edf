import { setTimeout as sleep } from 'node:timers/promises';
import { oneMessage } from '../database/mark.js';
import { errorCode, KeepError } from '../errors.js';
import type { ScriptRunner, ScriptSession } from '../migrations/engine/script-runner.js';
import { ENTER_RECORDED_DEPLOY, LEAVE_RECORDED_DEPLOY } from '../migrations/recorded-deploy.js';
import { watchingBlockers, type WatchOptions } from './blocker-watch.js';
import { textsOf } from './deploy-lock.js';
import type { PlannedMigration } from './deploy.types.js';
import type { SessionFacts } from './sessions.js';

/** Pauses before a migration that did not get its lock is tried again. */
const PAUSES_MS = [1000, 2000, 4000];

const LOCK_NOT_AVAILABLE = '55P03';

/** What is needed to run the scripts. */
export interface RunnerOptions extends WatchOptions {
  readonly statementTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
  /** How a step begins. Defaults to "Applying". */
  readonly doing?: string;
}

/** A script that failed. */
export interface FailedScript {
  readonly migration: PlannedMigration;
  /** What node-postgres threw. */
  readonly error: unknown;
  /** Of the session that it ran on. */
  readonly backendPid: number;
  /** How many of its statements PostgreSQL had done. */
  readonly completed: number;
  /** Who was last seen in its way. */
  readonly blockers: readonly SessionFacts[];
  readonly tries: number;
}

/**
 * Sends the scripts of migrations for Prisma's engine: under timeouts, and once more where a lock was not to be had,
 * which the engine does not see: the history has one row for a migration, as it would without.
 */
export class MigrationRunner {
  /** The one that failed, where one did. */
  failed: FailedScript | undefined;
  /** How often a migration was tried again. */
  retries = 0;
  private readonly waiting: PlannedMigration[];

  constructor(
    migrations: readonly PlannedMigration[],
    private readonly options: RunnerOptions,
  ) {
    this.waiting = [...migrations];
  }

  readonly run: ScriptRunner = async (script, session) => {
    const place = this.waiting.findIndex(({ sql }) => sql === script);
    const [migration] = place === -1 ? [] : this.waiting.splice(place, 1);
    // The engine's own: it makes `_prisma_migrations`.
    if (!migration) return await session.send(script);
    const { onStep, signal, statementTimeoutMs, lockTimeoutMs, doing = 'Applying' } = this.options;
    // The engine has begun the next one already; it does not know that nobody wants it any more.
    if (signal.aborted) throw this.failure(notBegun(migration, session));
    onStep(`${doing} ${migration.name}`);
    await session.send(oneMessage(...timeouts(statementTimeoutMs, lockTimeoutMs), ENTER_RECORDED_DEPLOY));
    try {
      await this.sendUntilDone(migration, session);
    } finally {
      // The engine writes its history on this session. One that broke, or is left in a failed transaction, fails here.
      // None, and not RESET: that would be what the database or the role has set.
      const reset = oneMessage(...timeouts(0, 0), LEAVE_RECORDED_DEPLOY);
      await session.send(reset).catch(async () => {
        await session.send('ROLLBACK').catch(() => undefined);
      });
    }
  };

  private async sendUntilDone(migration: PlannedMigration, session: ScriptSession): Promise<void> {
    const { signal, onStep } = this.options;
    for (let tries = 1; ; tries += 1) {
      let completed = 0;
      const { outcome, blockers } = await watchingBlockers(this.options, session.backendPid, () =>
        session.send(migration.sql, () => {
          completed += 1;
        }),
      );
      if (outcome.status === 'fulfilled') return;
      const error: unknown = outcome.reason;
      const pause = PAUSES_MS[tries - 1];
      const isWorthIt = errorCode(error) === LOCK_NOT_AVAILABLE && migration.isAtomic && !signal.aborted;
      const failed = { migration, error, backendPid: session.backendPid, completed, blockers, tries };
      if (!isWorthIt || pause === undefined) throw this.failure(failed);
      this.retries += 1;
      onStep(
        `${migration.name} did not get its lock${byWhom(blockers)}; trying again in ${pause / 1000} s (${tries} of ${PAUSES_MS.length}).`,
      );
      await sleep(pause, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) throw this.failure(failed);
    }
  }

  private failure(failed: FailedScript): unknown {
    this.failed = failed;
    return failed.error;
  }
}

function timeouts(statementMs: number, lockMs: number): string[] {
  return [`SET statement_timeout = ${statementMs}`, `SET lock_timeout = ${lockMs}`];
}

function notBegun(migration: PlannedMigration, { backendPid }: ScriptSession): FailedScript {
  const error = new KeepError('INTERRUPTED', 'Nothing of it was sent to PostgreSQL.');
  return { migration, error, backendPid, completed: 0, blockers: [], tries: 1 };
}

/** `, because of pid 812 (…)`; empty where nobody was seen. */
export function byWhom(blockers: readonly SessionFacts[]): string {
  return blockers.length === 0 ? '' : `, because of ${textsOf(blockers)}`;
}
