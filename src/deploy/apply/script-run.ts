import { DatabaseError } from 'pg';
import type { AttemptCourse } from '../../migrations/attempt-mark.js';
import { applyFailedText } from '../../migrations/engine/engine-error.js';
import { statementFailure } from '../../migrations/engine/statement-failure.js';
import { ONLY_ONE_BY_ONE } from '../../migrations/only-one-by-one.js';
import { errorCode, messageOf } from '../../core/errors.js';
import type { FailedMigration } from './apply.types.js';
import { courseOf, type Course } from './course.js';
import { tryForLock, type TrialFailure } from './lock-retries.js';
import { OneByOne } from './one-by-one.js';
import { runInOneTransaction } from './one-transaction.js';
import { rollBack, send, type Progress, type ScriptContext } from './script-context.js';

/** The attempt's course, for its row in the history. Pure. */
export function attemptCourse(course: Course): AttemptCourse {
  return course.kind === 'statements' ? { kind: 'statements', total: course.statements.length } : course;
}

/** Runs one script: as one transaction where PostgreSQL lets it, else statement by statement. */
export class ScriptRun {
  private readonly progress: Progress = {
    completed: 0,
    kept: 0,
    sentFrom: 0,
    wasCommitting: false,
    ranAlone: false,
  };
  private course: Course;

  constructor(private readonly context: ScriptContext) {
    this.course = courseOf(context.script.parsed);
  }

  /** @returns what failed, after that was recorded. */
  async run(): Promise<FailedMigration | undefined> {
    const failure = await this.attempt();
    if (!failure) return undefined;
    await this.recordFailure(failure.error);
    const { script, backendPid } = this.context;
    const course = attemptCourse(this.course);
    return { ...failure, ...this.progress, migration: script.migration, backendPid, course };
  }

  private async attempt(): Promise<TrialFailure | undefined> {
    const { course } = this;
    if (course.kind === 'query') return await this.sendAsItIs();
    if (course.kind === 'statements') return await this.oneByOne();
    let failure = await this.asTransaction(false);
    // Events of deferred constraints wait for COMMIT, and keep tables from being altered until then.
    if (hasPendingEvents(failure?.error)) failure = await this.asTransaction(true);
    if (!failure || !ONLY_ONE_BY_ONE.has(errorCode(failure.error) ?? '')) return failure;
    const { history, id, script, options } = this.context;
    options.onStep(
      `${script.migration.name} cannot run as one transaction (${messageOf(failure.error)}); applying it statement by statement`,
    );
    this.course = { kind: 'statements', statements: script.parsed.statements };
    await history.change(id, attemptCourse(this.course));
    return await this.oneByOne();
  }

  private async asTransaction(isImmediate: boolean): Promise<TrialFailure | undefined> {
    const { course, progress } = this;
    if (course.kind !== 'transaction') return undefined;
    return await this.try(
      () => runInOneTransaction(this.context, course.statements, progress, isImmediate),
      true,
    );
  }

  private async oneByOne(): Promise<TrialFailure | undefined> {
    const { statements } = this.context.script.parsed;
    const failure = await new OneByOne(this.context, this.progress).run(statements);
    if (failure) return failure;
    return await this.try(() => this.context.history.finish(this.context.id), true);
  }

  private async sendAsItIs(): Promise<TrialFailure | undefined> {
    const { client, history, id, script } = this.context;
    return await this.try(async () => {
      await send(client, script.migration.sql, () => {
        this.progress.completed += 1;
      });
      await history.finish(id);
    }, false);
  }

  private async try(attempt: () => Promise<void>, mayRepeat: boolean): Promise<TrialFailure | undefined> {
    const { script, backendPid, onRetry, options } = this.context;
    const trial = { migration: script.migration.name, backendPid, mayRepeat, onRetry };
    return await tryForLock(attempt, trial, options);
  }

  /** Where the session is lost this cannot be done: the row then says how far it came, and not why it ended. */
  private async recordFailure(thrown: unknown): Promise<void> {
    const { client, history, id, script } = this.context;
    await rollBack(client);
    const failure = statementFailure(thrown, script.parsed.source.text, this.progress.sentFrom);
    const text = applyFailedText(script.migration.name, failure);
    await history.recordFailure(id, attemptCourse(this.course), text).catch(() => undefined);
  }
}

function hasPendingEvents(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '55006' && error.routine === 'CheckTableNotInUse';
}
