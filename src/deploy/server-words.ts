import { errorCode, messageOf, serverMessageOf } from '../core/errors.js';

/** The SQLSTATE of the DDL guard's refusals. Their hint advises a deploy, which is what failed here. */
export const GUARD_REFUSED = 'PK003';

/** What PostgreSQL says of a failed statement: the message, its SQLSTATE, and what the server adds. Pure. */
export function serverWords(error: unknown): string {
  const message = messageOf(error);
  const code = errorCode(error);
  if (code === undefined) return message;
  const added = code === GUARD_REFUSED ? '' : serverMessageOf(error).slice(message.length);
  return `${message} (${code})${added}`;
}
