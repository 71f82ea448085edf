import { databaseFault } from '../postgres/database-fault.js';
import { errorCode } from '../core/errors.js';
import type { Known, NotKnown } from './readiness.types.js';

/** Codes of Node's for an answer that did not come; a refusal has another one. */
const NO_ANSWER = new Set(['ETIMEDOUT', 'EAI_AGAIN']);

/**
 * A fact, or the fault that kept it from being known.
 * @throws what broke the connection: nothing more can be asked on it.
 */
export async function known<T>(asking: Promise<T>): Promise<Known<T>> {
  try {
    return { value: await asking };
  } catch (error) {
    if (databaseFault(error).code === 'DATABASE_UNREACHABLE') throw error;
    return notKnown(error);
  }
}

/**
 * Why a fact is not known. That a connection which was in use broke does not say whether another one is to be had: the
 * next evaluation tries.
 */
export function notKnown(error: unknown, { wasConnected = false } = {}): NotKnown {
  const fault = databaseFault(error);
  const broke = wasConnected && fault.code === 'DATABASE_UNREACHABLE';
  const isUnknown = broke || fault.code === 'DATABASE_TIMEOUT' || NO_ANSWER.has(errorCode(error) ?? '');
  return { fault, isUnknown };
}
