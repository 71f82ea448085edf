import { SQLSTATE } from '../../postgres/sqlstates.js';
import type { Node } from 'libpg-query';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { refusedInTransaction } from '../../migrations/lint/engine.js';
import type { Statement } from '../../migrations/sql/statements.js';
import type { Progress, ScriptContext } from './apply.types.js';
import { declarationsOf } from './declarations.js';
import { type TrialFailure, tryScript } from './lock-retries.js';
import { inTransaction, rollBack, sendChecked } from './script-session.js';

/** PostgreSQL refuses the statement in a transaction block, or refuses to end one in what it calls. */
const NEEDS_NO_BLOCK = new Set<string>([
  SQLSTATE.activeSqlTransaction,
  SQLSTATE.invalidTransactionTermination,
]);

/**
 * Runs a script statement by statement, and records after each how many are applied: in the same transaction, if
 * the statement can run in one. The script's own transactions count when they are committed.
 */
export class StatementByStatement {
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
