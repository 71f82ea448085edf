import { KeepError, messageOf } from '../errors.js';
import { SchemaEngineError } from '../migrations/engine/schema-engine-error.js';
import { beingDeployed } from './deploy-lock.js';
import { refused } from './refused.js';
import type { SessionFacts } from './sessions.js';

/** The engine did not get its lock within the time that it waits for one. */
const TIMED_OUT = 'P1002';

/**
 * The error of a deploy whose engine did not come to the first script. Where somebody else took Prisma's lock after we
 * had looked, nothing was tried: a refusal, as if he had been there from the beginning. Pure.
 * @param holders who holds Prisma's lock now
 */
export function notBegun(thrown: unknown, holders: readonly SessionFacts[]): KeepError {
  if (holders.length > 0) return beingDeployed(holders);
  if (thrown instanceof SchemaEngineError && thrown.prismaCode === TIMED_OUT) {
    return refused(
      'somebody held Prisma’s migration lock for as long as its engine waits, and has let go of it since',
      'See what was migrated: `pgkeep migrate status`. Then try again.',
    );
  }
  const hint = thrown instanceof KeepError ? thrown.hint : undefined;
  const code = thrown instanceof KeepError ? thrown.code : 'DEPLOY_FAILED';
  return new KeepError(code, `Nothing was migrated: ${messageOf(thrown)}`, {
    ...(hint !== undefined && { hint }),
    cause: thrown,
  });
}
