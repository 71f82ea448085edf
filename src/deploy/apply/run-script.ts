import { applyFailedText, REFUSED_IN_TRANSACTION, statementFailure } from '#prisma-schema-engine-bridge';
import type { Node } from 'libpg-query';
import { DatabaseError } from 'pg';
import { errorCode, messageOf, PgkeepError } from '../../core/errors.js';
import type { AttemptMode } from '../../migrations/history/prisma-history.js';
import { refusedInTransaction } from '../../migrations/lint/engine.js';
import type { Statement } from '../../migrations/sql/statements.js';
import { oneMessage } from '../../postgres/mark.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import type { FailedMigration, Progress, ScriptContext } from './apply.types.js';
import { type Declaration, declarationsOf } from './declarations.js';
import { type ExecutionMode, executionModeOf } from './execution-mode.js';
import { type TrialFailure, tryScript } from './lock-retries.js';
import { inTransaction, requireNotInterrupted, rollBack, send, sendChecked } from './script-session.js';

/** Returns the mode of an attempt, for its row in the history. Pure. */
export function attemptModeOf(mode: ExecutionMode): AttemptMode {
  return mode.kind === 'statements' ? { kind: 'statements', total: mode.statements.length } : mode;
}

/** Runs one script: as one transaction if PostgreSQL allows it, otherwise statement by statement. */
export class ScriptRun {
  private readonly progress: Progress = {
    completed: 0,
    kept: 0,
    sentFrom: 0,
    wasCommitting: false,
    ranAlone: false,
  };
  private mode: ExecutionMode;

  constructor(private readonly context: ScriptContext) {
    this.mode = executionModeOf(context.script.parsed);
  }

  /** Runs the script, and records a failure. @returns the failure. */
  async run(): Promise<FailedMigration | undefined> {
    const failure = await this.attempt();
    if (!failure) return undefined;
    await this.recordFailure(failure.error);
    const { script, backendPid } = this.context;
    const mode = attemptModeOf(this.mode);
    return { ...failure, ...this.progress, migration: script.migration, backendPid, mode };
  }

  private async attempt(): Promise<TrialFailure | undefined> {
    const { mode } = this;
    if (mode.kind === 'query') return await this.sendAsItIs();
    if (mode.kind === 'statements') return await this.oneByOne();
    let failure = await this.asTransaction(false);
    // Pending events of deferred constraints prevent ALTER TABLE until COMMIT.
    if (hasPendingEvents(failure?.error)) failure = await this.asTransaction(true);
    if (!failure || !REFUSED_IN_TRANSACTION.has(errorCode(failure.error) ?? '')) return failure;
    const { history, id, script, options } = this.context;
    options.onStep(
      `${script.migration.name} cannot run as one transaction (${messageOf(failure.error)}); applying it statement by statement`,
    );
    this.mode = { kind: 'statements', statements: script.parsed.statements };
    await history.change(id, attemptModeOf(this.mode));
    return await this.oneByOne();
  }

  private async asTransaction(isImmediate: boolean): Promise<TrialFailure | undefined> {
    const { mode, progress } = this;
    if (mode.kind !== 'transaction') return undefined;
    return await tryScript(
      this.context,
      () => runInOneTransaction(this.context, mode.statements, progress, isImmediate),
      true,
    );
  }

  private async oneByOne(): Promise<TrialFailure | undefined> {
    const { statements } = this.context.script.parsed;
    const failure = await new StatementByStatement(this.context, this.progress).run(statements);
    if (failure) return failure;
    return await tryScript(this.context, () => this.context.history.finish(this.context.id), true);
  }

  private async sendAsItIs(): Promise<TrialFailure | undefined> {
    const { client, history, id, script } = this.context;
    const attempt = async (): Promise<void> => {
      await send(client, script.migration.sql, () => {
        this.progress.completed += 1;
      });
      await history.finish(id);
    };
    return await tryScript(this.context, attempt, false);
  }

  /** Records the failure. If the session is lost this fails: the row then shows the progress, but not the error. */
  private async recordFailure(thrown: unknown): Promise<void> {
    const { client, history, id, script } = this.context;
    await rollBack(client);
    const failure = statementFailure(thrown, script.parsed.source.text, this.progress.sentFrom);
    const text = applyFailedText(script.migration.name, failure);
    await history.recordFailure(id, attemptModeOf(this.mode), text).catch(() => undefined);
  }
}

function hasPendingEvents(error: unknown): boolean {
  return (
    error instanceof DatabaseError &&
    error.code === SQLSTATE.objectInUse &&
    error.routine === 'CheckTableNotInUse'
  );
}

/** Statements that are sent together, and what is checked after the last one. */
interface Piece {
  readonly sql: string;
  readonly index: number;
  readonly declared: readonly Declaration[];
}

/**
 * Runs the statements and finishes the attempt's row in the history in one transaction: the row is finished if and only
 * if all of them are applied.
 * @param isImmediate whether deferred constraints are checked after each statement, as if each were committed by itself
 * @throws what node-postgres throws, after the transaction was rolled back.
 */
async function runInOneTransaction(
  context: ScriptContext,
  statements: readonly Statement[],
  progress: Progress,
  isImmediate: boolean,
): Promise<void> {
  const { client, history, id, script, options } = context;
  const first = statements[0] ? script.parsed.statements.indexOf(statements[0]) : 0;
  Object.assign(progress, { completed: first, kept: 0, wasCommitting: false, ranAlone: false });
  const begin = isImmediate ? oneMessage('BEGIN', 'SET CONSTRAINTS ALL IMMEDIATE') : 'BEGIN';
  await inTransaction(client, progress, begin, async () => {
    for (const { sql, index, declared } of piecesOf(script.parsed.source.text, statements)) {
      progress.sentFrom = index;
      await sendChecked(context, sql, declared, () => {
        progress.completed += 1;
      });
    }
    await history.finish(id);
    requireNotInterrupted(options.signal);
  });
}

/** Joins statements into as few messages as possible: thousands of statements cost no round trip each. Pure. */
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

/** PostgreSQL refuses the statement in a transaction block, or refuses to end one in what it calls. */
const NEEDS_NO_BLOCK = new Set<string>([
  SQLSTATE.activeSqlTransaction,
  SQLSTATE.invalidTransactionTermination,
]);

/**
 * Runs a script statement by statement, and records after each how many are applied: in the same transaction, if
 * the statement can run in one. The script's own transactions count when they are committed.
 */
class StatementByStatement {
  constructor(
    private readonly context: ScriptContext,
    private readonly progress: Progress,
  ) {}

  /** Runs the statements. @returns why one failed. */
  async run(statements: readonly Statement[]): Promise<TrialFailure | undefined> {
    const { progress } = this;
    Object.assign(progress, { completed: 0, kept: 0, wasCommitting: false, ranAlone: false });
    for (const [index, statement] of statements.entries()) {
      const failure = await this.runOne(statement, index + 1);
      if (failure) return failure;
      progress.completed = index + 1;
    }
    if (!this.isInTransaction()) return undefined;
    await rollBack(this.context.client);
    progress.completed = progress.kept;
    const error = new PgkeepError(
      'DEPLOY_FAILED',
      'The file opens a transaction (BEGIN) here and does not end it: PostgreSQL rolled it back.',
    );
    return { error, blockers: [], tries: 1 };
  }

  private async runOne(statement: Statement, number: number): Promise<TrialFailure | undefined> {
    const isOwn = this.isInTransaction();
    const isBare =
      isOwn || refusedInTransaction(statement.node) !== undefined || 'TransactionStmt' in statement.node;
    Object.assign(this.progress, {
      sentFrom: statement.index,
      wasCommitting: false,
      ranAlone: isBare && !isOwn,
    });
    const bare = (): Promise<TrialFailure | undefined> =>
      tryScript(this.context, () => this.runBare(statement, number), false);
    if (isBare) return await bare();
    const failure = await tryScript(this.context, () => this.runInTransaction(statement, number), true);
    if (!failure || !NEEDS_NO_BLOCK.has(errorCode(failure.error) ?? '')) return failure;
    this.progress.ranAlone = true;
    return await bare();
  }

  private async runInTransaction(statement: Statement, number: number): Promise<void> {
    const { client, history, id } = this.context;
    await inTransaction(client, this.progress, 'BEGIN', async () => {
      await this.send(statement);
      await history.progress(id, number);
    });
    this.progress.kept = number;
  }

  /** Runs a statement outside a transaction, or in one of the script's own. */
  private async runBare(statement: Statement, number: number): Promise<void> {
    const { progress } = this;
    const isCommit = isCommitOf(statement.node) && this.isInTransaction();
    try {
      if (isCommit) {
        await this.record(number);
        progress.wasCommitting = true;
      }
      await this.send(statement);
    } catch (error) {
      await rollBack(this.context.client);
      throw error;
    }
    if (!isCommit && !this.isInTransaction()) await this.record(number);
    if (isCommit || !this.isInTransaction()) progress.kept = number;
  }

  private async send({ sql, node }: Statement): Promise<void> {
    await sendChecked(this.context, sql, declarationsOf(node), () => undefined);
  }

  /** Records progress again if a late cancellation hit the record: it must not be lost. */
  private async record(number: number): Promise<void> {
    const { history, id } = this.context;
    const isOwn = this.isInTransaction();
    await history.progress(id, number).catch(async (error: unknown) => {
      if (isOwn || errorCode(error) !== SQLSTATE.queryCanceled) throw error;
      await history.progress(id, number);
    });
  }

  private isInTransaction(): boolean {
    return this.context.client.getTransactionStatus() === 'T';
  }
}

function isCommitOf(node: Node): boolean {
  return 'TransactionStmt' in node && node.TransactionStmt.kind === 'TRANS_STMT_COMMIT';
}
