import { errorCode, messageOf, PgkeepError } from '../../core/errors.js';
import { boundedList } from '../../core/text.js';
import { readAttempts } from '../../migrations/history/prisma-history.js';
import type { Unenforced } from '../../postgres/catalogue/unenforced.js';
import { databaseError } from '../../postgres/database-fault.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { APPLY_SESSION } from '../apply/apply-scripts.js';
import type { FailedMigration } from '../apply/apply.types.js';
import type { DeployConnection } from '../deploy-connection.js';
import { isRunning } from '../sessions.js';
import { invalidIndexesOf, unenforcedIn } from '../unenforced-objects.js';
import type { Draft } from './draft-plan.js';
import { type FailedState, type Failure, isSessionLost, migrationFailed, stateOf } from './failure.js';

/** What explaining a failed migration needs. */
export interface FailedDeployOptions {
  readonly connection: DeployConnection;
  /** PostgreSQL schema of `_prisma_migrations`. */
  readonly schema: string;
  readonly timeouts: ReadTimeouts;
  readonly draft: Draft;
  /** What was not used or enforced before the deploy. */
  readonly unenforced: readonly Unenforced[];
  readonly backup: string | null;
  readonly interrupted: boolean;
}

/** A failed deploy, explained. */
export interface FailedDeploy {
  readonly error: PgkeepError;
  readonly state: FailedState;
  /** The migrations of the deploy that are applied. */
  readonly applied: readonly string[];
  /** For the audit log. */
  readonly details: { readonly failed: string; readonly code: string | null; readonly statements: number };
}

/** Explains a failed migration by what it left, read on a new connection. Never fails: the server may be down. */
export async function explainFailure(
  failed: FailedMigration,
  { connection, schema, timeouts, draft, unenforced, backup, interrupted }: FailedDeployOptions,
): Promise<FailedDeploy> {
  const { migrations, lockTimeoutMs, statementTimeoutMs } = draft.plan;
  const names = migrations.map(({ name }) => name);
  const place = names.indexOf(failed.migration.name);
  const isLost = isSessionLost(failed.error);
  const left = await connection
    .use('look at', async (client) => {
      const isStillRunning = isLost && (await isRunning(client, failed.backendPid, timeouts, APPLY_SESSION));
      const attempts = await readAttempts(client, schema, timeouts);
      const applied = new Set(attempts.filter(({ state }) => state === 'applied').map(({ name }) => name));
      const own = attempts.findLast(({ name }) => name === failed.migration.name);
      const now = await unenforcedIn(client, timeouts);
      return {
        isStillRunning,
        historyIsKnown: true,
        applied: names.filter((name) => applied.has(name)),
        // If the session was lost during COMMIT, the history knows more.
        kept: isLost && failed.mode.kind === 'statements' ? (own?.steps ?? failed.kept) : failed.kept,
        invalidIndexes: invalidIndexesOf(failed.migration.sql, unenforced, now),
      };
    })
    .catch(() => ({
      isStillRunning: false,
      historyIsKnown: false,
      applied: names.slice(0, place),
      kept: failed.kept,
      invalidIndexes: [],
    }));
  const { kept, ...facts } = left;
  const failure: Failure = {
    ...facts,
    script: { ...failed, kept },
    parsed: draft.parsed[place],
    notTried: names.slice(place + 1),
    backup,
    interrupted,
    lockTimeoutMs,
    statementTimeoutMs,
  };
  return {
    error: migrationFailed(failure),
    state: stateOf(failure),
    applied: facts.applied,
    details: { failed: failed.migration.name, code: errorCode(failed.error) ?? null, statements: kept },
  };
}

/** Returns the error of a deploy that failed before the first script; a refusal stays a refusal. Pure. */
export function failedBeforeStart(thrown: unknown): PgkeepError {
  if (thrown instanceof PgkeepError && thrown.kind === 'refused') return thrown;
  const { code, hint } = thrown instanceof PgkeepError ? thrown : databaseError('apply migrations', thrown);
  return new PgkeepError(code, `Nothing was migrated: ${messageOf(thrown)}`, {
    ...(hint !== undefined && { hint }),
    cause: thrown,
  });
}

/**
 * Adds to the error which migrations are applied.
 * @param done what is applied
 * @param rest what was not run
 */
export function stoppedBetween(
  error: PgkeepError,
  done: readonly string[],
  rest: readonly string[],
): PgkeepError {
  if (done.length === 0) return error;
  const code = error.code === 'DEPLOY_REFUSED' ? 'DEPLOY_FAILED' : error.code;
  const cause = error.cause === undefined ? '' : `: ${messageOf(error.cause)}`;
  const message = [
    code === 'INTERRUPTED' ? 'Interrupted between two migrations.' : `Stopped between two migrations${cause}`,
    `Applied and kept: ${boundedList(done)}.`,
    ...(rest.length === 0 ? [] : [`Not run: ${boundedList(rest)}.`]),
  ];
  return new PgkeepError(code, message.join('\n'), {
    hint: 'To deploy the rest:\n  npx pgkeep migrate deploy',
    cause: error,
  });
}
