import { databaseError } from '../database/database-fault.js';
import { KeepError, messageOf } from '../errors.js';

/** The error of a deploy that did not come to the first script; a refusal stays one. Pure. */
export function notBegun(thrown: unknown): KeepError {
  if (thrown instanceof KeepError && thrown.kind === 'refused') return thrown;
  const { code, hint } = thrown instanceof KeepError ? thrown : databaseError('apply migrations', thrown);
  return new KeepError(code, `Nothing was migrated: ${messageOf(thrown)}`, {
    ...(hint !== undefined && { hint }),
    cause: thrown,
  });
}
