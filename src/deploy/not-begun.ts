import { boundedList } from '../core/bounded-list.js';
import { databaseError } from '../postgres/database-fault.js';
import { PgkeepError, messageOf } from '../core/errors.js';

/** The error of a deploy that did not come to the first script; a refusal stays one. Pure. */
export function notBegun(thrown: unknown): PgkeepError {
  if (thrown instanceof PgkeepError && thrown.kind === 'refused') return thrown;
  const { code, hint } = thrown instanceof PgkeepError ? thrown : databaseError('apply migrations', thrown);
  return new PgkeepError(code, `Nothing was migrated: ${messageOf(thrown)}`, {
    ...(hint !== undefined && { hint }),
    cause: thrown,
  });
}

/**
 * The same error where some of the migrations are applied.
 * @param done what is applied
 * @param rest what was not tried
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
    `Applied, and stay: ${boundedList(done)}.`,
    ...(rest.length === 0 ? [] : [`Not tried: ${boundedList(rest)}.`]),
  ];
  return new PgkeepError(code, message.join('\n'), {
    hint: 'Deploy the rest:\n  npx pgkeep migrate deploy',
    cause: error,
  });
}
