import { applyFailedText, REFUSED_IN_TRANSACTION, statementFailure } from '#prisma-schema-engine-bridge';
import { DatabaseError } from 'pg';
import { errorCode, messageOf } from '../../core/errors.js';
import type { AttemptCourse } from '../../migrations/history/attempts.js';
import type { Statement } from '../../migrations/sql/statements.js';
import { oneMessage } from '../../postgres/mark.js';
import type { FailedMigration, Progress, ScriptContext } from './apply.types.js';
import { checkMade } from './check-declarations.js';
import { type Declaration, declarationsOf } from './declarations.js';
import { type Course, courseOf } from './execution-mode.js';
import { type TrialFailure, tryForLock } from './lock-retries.js';
import { requireWanted, rollBack, send } from './script-session.js';
import { OneByOne } from './statement-by-statement.js';

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
    if (!failure || !REFUSED_IN_TRANSACTION.has(errorCode(failure.error) ?? '')) return failure;
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

/** Statements that are sent together, and what is to be looked at after the last of them. */
interface Piece {
  readonly sql: string;
  readonly index: number;
  readonly declared: readonly Declaration[];
}

/**
 * Runs the statements and the end of the attempt's row in the history as one transaction: the row is finished exactly
 * where all of them are applied.
 * @param isImmediate whether deferred constraints are checked after each statement, as if each were committed by itself
 * @throws what node-postgres throws, after the transaction was rolled back.
 */
async function runInOneTransaction(
  { client, history, id, script, options, onFound }: ScriptContext,
  statements: readonly Statement[],
  progress: Progress,
  isImmediate: boolean,
): Promise<void> {
  const first = statements[0] ? script.parsed.statements.indexOf(statements[0]) : 0;
  Object.assign(progress, { completed: first, kept: 0, wasCommitting: false, ranAlone: false });
  try {
    await client.query(isImmediate ? oneMessage('BEGIN', 'SET CONSTRAINTS ALL IMMEDIATE') : 'BEGIN');
    for (const { sql, index, declared } of piecesOf(script.parsed.source.text, statements)) {
      requireWanted(options.signal);
      progress.sentFrom = index;
      await send(client, sql, () => {
        progress.completed += 1;
      });
      for (const declaration of declared) await checkMade(client, declaration, onFound);
    }
    await history.finish(id);
    requireWanted(options.signal);
    progress.wasCommitting = true;
    await client.query('COMMIT');
  } catch (error) {
    await rollBack(client);
    throw error;
  }
}

/** One message for all of a file: thousands of statements cost no round trip each. Pure. */
function piecesOf(text: string, statements: readonly Statement[]): Piece[] {
  const pieces: Piece[] = [];
  let from: number | undefined;
  for (const statement of statements) {
    const index = from ?? statement.index;
    const declared = declarationsOf(statement.node);
    const isLast = statement === statements.at(-1);
    from = declared.length > 0 || isLast ? undefined : index;
    if (from !== undefined) continue;
    pieces.push({ sql: text.slice(index, statement.index + statement.sql.length), index, declared });
  }
  return pieces;
}
