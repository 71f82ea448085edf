import type { Node } from 'libpg-query';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { refusedInTransaction } from '../../migrations/lint/engine.js';
import type { Statement } from '../../migrations/sql/statements.js';
import type { Progress, ScriptContext } from './apply.types.js';
import { checkMade } from './check-declarations.js';
import { declarationsOf } from './declarations.js';
import { type TrialFailure, tryForLock } from './lock-retries.js';
import { requireWanted, rollBack, send } from './script-session.js';

/** PostgreSQL refuses the statement in a transaction block, or refuses that what it calls ends one. */
const NEEDS_NO_BLOCK = new Set(['25001', '2D000']);

const CANCELED = '57014';

/**
 * Runs a script statement by statement, and records after each how many are applied: in the same transaction, where
 * the statement can be in one. A transaction of the script's own counts when it is committed.
 */
export class OneByOne {
  constructor(
    private readonly context: ScriptContext,
    private readonly progress: Progress,
  ) {}

  /** @returns why the statement that failed did. */
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
      this.try(() => this.runBare(statement, number), false);
    if (isBare) return await bare();
    const failure = await this.try(() => this.runInTransaction(statement, number), true);
    if (!failure || !NEEDS_NO_BLOCK.has(errorCode(failure.error) ?? '')) return failure;
    this.progress.ranAlone = true;
    return await bare();
  }

  private async runInTransaction(statement: Statement, number: number): Promise<void> {
    const { client, history, id } = this.context;
    const { progress } = this;
    try {
      await client.query('BEGIN');
      await this.send(statement);
      await history.progress(id, number);
      progress.wasCommitting = true;
      await client.query('COMMIT');
    } catch (error) {
      await rollBack(client);
      throw error;
    }
    progress.kept = number;
  }

  /** Outside a transaction, or in one of the script's own. */
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

  private async send(statement: Statement): Promise<void> {
    const { client, onFound, options } = this.context;
    requireWanted(options.signal);
    await send(client, statement.sql, () => undefined);
    for (const declaration of declarationsOf(statement.node)) await checkMade(client, declaration, onFound);
  }

  /** A cancellation that comes late meets the record of what is done, which must not be lost by it. */
  private async record(number: number): Promise<void> {
    const { history, id } = this.context;
    const isOwn = this.isInTransaction();
    await history.progress(id, number).catch(async (error: unknown) => {
      if (isOwn || errorCode(error) !== CANCELED) throw error;
      await history.progress(id, number);
    });
  }

  private async try(attempt: () => Promise<void>, mayRepeat: boolean): Promise<TrialFailure | undefined> {
    const { script, backendPid, onRetry, options } = this.context;
    const trial = { migration: script.migration.name, backendPid, mayRepeat, onRetry };
    return await tryForLock(attempt, trial, options);
  }

  private isInTransaction(): boolean {
    return this.context.client.getTransactionStatus() === 'T';
  }
}

function isCommitOf(node: Node): boolean {
  return 'TransactionStmt' in node && node.TransactionStmt.kind === 'TRANS_STMT_COMMIT';
}
