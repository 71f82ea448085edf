import { databaseFault } from '../postgres/database-fault.js';
import { errorCode } from '../core/errors.js';
import type { Fact, NotLearned } from './readiness.types.js';

/** Codes of Node's for an answer that did not come; a refusal has another one. */
const NO_ANSWER = new Set(['ETIMEDOUT', 'EAI_AGAIN']);

/**
 * Returns what a question to the database was answered, or why it was not.
 * @throws what broke the connection: nothing more can be asked on it.
 */
export async function learn<T>(asking: Promise<T>): Promise<Fact<T>> {
  try {
    return { value: await asking };
  } catch (error) {
    if (databaseFault(error).code === 'DATABASE_UNREACHABLE') throw error;
    return { reason: notLearned(error) };
  }
}

/**
 * Explains why a fact was not learned. When a connection breaks in use, a new one may still succeed, so that fact is
 * unanswered: the next evaluation tries.
 */
export function notLearned(error: unknown, { wasConnected = false } = {}): NotLearned {
  const fault = databaseFault(error);
  const broke = wasConnected && fault.code === 'DATABASE_UNREACHABLE';
  const isUnanswered = broke || fault.code === 'DATABASE_TIMEOUT' || NO_ANSWER.has(errorCode(error) ?? '');
  return { ...fault, isUnanswered };
}
