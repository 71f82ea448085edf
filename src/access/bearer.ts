import { createHash, timingSafeEqual } from 'node:crypto';
import type { Headers } from './access.types.js';

/** Returns the token of the header `Authorization: Bearer …`. A token in a URL does not count: URLs end up in logs. */
export function bearerOf({ authorization }: Headers): string | undefined {
  return typeof authorization === 'string' ? /^Bearer +(\S+) *$/i.exec(authorization)?.[1] : undefined;
}

/** Returns whether a token is the expected one; compares in constant time. False where one of them is missing. */
export function isSameToken(token: string | undefined, expected: string | undefined): boolean {
  return token !== undefined && expected !== undefined && timingSafeEqual(digest(token), digest(expected));
}

/** Equal lengths, whatever was sent: timingSafeEqual needs them. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
