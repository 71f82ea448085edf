import type { Unenforced } from '../postgres/catalogue/unenforced.js';
import type { ReadTimeouts } from '../postgres/read.js';
import { errorCode, PgkeepError } from '../core/errors.js';
import { readAttempts } from '../migrations/attempts.js';
import { APPLY_SESSION } from './apply/apply-scripts.js';
import type { FailedMigration } from './apply/apply.types.js';
import type { DeployConnection } from './deploy-connection.js';
import type { Draft } from './deploy-draft.js';
import { isRunning } from './deploy-facts.js';
import { isSessionLost, stateOf, type FailedState } from './failed-state.js';
import { migrationFailed, type Failure } from './failure-text.js';
import { invalidIndexesOf, unenforcedIn } from './unenforced-objects.js';

/** What is needed to look at what a failed migration left. */
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
  /** Those of the deploy that are applied. */
  readonly applied: readonly string[];
  /** For the record. */
  readonly details: { readonly failed: string; readonly code: string | null; readonly statements: number };
}

/** Looks at what a failed migration left, on a new connection, and explains it. Never fails: the server may be gone. */
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
        // Where the session was lost while it committed, the history knows more than we do.
        kept: isLost && failed.course.kind === 'statements' ? (own?.steps ?? failed.kept) : failed.kept,
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
