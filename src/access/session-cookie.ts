import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { type Headers, isName, type Role, ROLES } from './access.types.js';

/** How long a session lasts. */
export const SESSION_SECONDS = 43_200;

/** The cookie's name by plain HTTP. */
const PLAIN = 'pgkeep';

/**
 * The names by TLS. With these prefixes a browser takes the cookie by TLS only; with the first one also from this very
 * host only, so that neither another host of the domain nor an attacker in the network can plant a session.
 */
const HOST_PREFIX = `__Host-${PLAIN}`;
const SECURE_PREFIX = `__Secure-${PLAIN}`;

/** What the signature of a session covers. */
export interface SessionClaims {
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** A UUID. */
  readonly id: string;
  /** After which common end of all sessions it began; empty where there was none. */
  readonly generation: string;
  readonly name: string;
  readonly role: Role;
}

/** Returns the key of the signatures: made from the admin token, so that another token ends every session. */
export function sessionKey(adminToken: string, environment: string): Buffer {
  return Buffer.from(hkdfSync('sha256', adminToken, '', `pgkeep session of ${environment}`, 32));
}

/** Returns the value of the cookie: what it states, and the signature. */
export function signSession({ expiresAt, id, generation, name, role }: SessionClaims, key: Buffer): string {
  const body = Buffer.from(JSON.stringify([expiresAt, id, generation, name, role])).toString('base64url');
  return `${body}.${macOf(body, key).toString('base64url')}`;
}

/** Returns what a cookie states; undefined where the signature is not by this key, or the time is over. */
export function verifySession(value: string, key: Buffer, now: Date): SessionClaims | undefined {
  const [body = '', mac = '', ...rest] = value.split('.');
  const given = Buffer.from(mac, 'base64url');
  const expected = macOf(body, key);
  // The lengths are no secret, and timingSafeEqual needs equal ones.
  if (rest.length > 0 || given.length !== expected.length || !timingSafeEqual(given, expected))
    return undefined;
  const claims = claimsOf(JSON.parse(Buffer.from(body, 'base64url').toString()));
  return claims && claims.expiresAt * 1000 > now.getTime() ? claims : undefined;
}

/** Reads what this version, or one that shares the token, has signed. */
function claimsOf(signed: unknown): SessionClaims | undefined {
  if (!Array.isArray(signed)) return undefined;
  const [expiresAt, id, generation, name, role]: unknown[] = signed;
  const known = ROLES.find((one) => one === role);
  if (typeof expiresAt !== 'number' || typeof id !== 'string' || typeof generation !== 'string')
    return undefined;
  return isName(name) && known ? { expiresAt, id, generation, name, role: known } : undefined;
}

function macOf(body: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(body).digest();
}

/** How a cookie is sent. */
export interface CookieScope {
  /** Below which path the browser sends it: where the pages are mounted. */
  readonly path: string;
  /** Whether the browser reached pgkeep by TLS. */
  readonly secure: boolean;
}

/** Returns the header `Set-Cookie` of a session, or, for an empty value, the one that removes the cookie. */
export function setCookie(value: string, maxAgeSeconds: number, { path, secure }: CookieScope): string {
  const name = secure ? (path === '/' ? HOST_PREFIX : SECURE_PREFIX) : PLAIN;
  return [
    `${name}=${value}`,
    `Path=${path}`,
    `Max-Age=${maxAgeSeconds}`,
    'HttpOnly',
    'SameSite=Strict',
    ...(secure ? ['Secure'] : []),
  ].join('; ');
}

/** Returns the values of the session's cookies: a browser sends several where they were set for several paths. */
export function cookiesOf({ cookie }: Headers, secure: boolean): string[] {
  const names = secure ? [HOST_PREFIX, SECURE_PREFIX] : [PLAIN];
  return [cookie ?? []]
    .flat()
    .flatMap((header) => header.split(';'))
    .map((pair) => pair.trim().split('='))
    .filter(([name = '']) => names.includes(name))
    .map(([, value = '']) => value);
}
