import { propertyOf } from '../core/errors.js';
import { POLICY_REFUSED, REASON_REQUIRED, ROW_HELD } from '../policy/policy-texts.js';
import { GuardError } from './guard-error.js';

const OWN_CODES: ReadonlySet<unknown> = new Set([POLICY_REFUSED, REASON_REQUIRED, ROW_HELD]);

/** Returns the database's own error inside an error of Prisma: its SQLSTATE, text and hint. */
export function databaseErrorIn(error: unknown): unknown {
  return propertyOf(propertyOf(propertyOf(error, 'meta'), 'driverAdapterError'), 'cause');
}

/** Returns a refusal by a trigger of pgkeep as the same error that the client throws itself; any other error as it is. */
export function explained(error: unknown): unknown {
  const cause = databaseErrorIn(error);
  const code = propertyOf(cause, 'originalCode');
  if (!OWN_CODES.has(code)) return error;
  const hint = propertyOf(cause, 'hint');
  return new GuardError(String(propertyOf(cause, 'originalMessage')), String(code), {
    hint: typeof hint === 'string' ? hint : undefined,
    cause: error,
  });
}
