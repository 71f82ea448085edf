import { type Role, ROLES } from '../config/settings.js';

export { type Role, ROLES } from '../config/settings.js';

/** Who sent a request, verified by this server. */
export interface Identity {
  /** One line of at most 255 characters, without control characters. */
  readonly name: string;
  readonly role: Role;
  /** The proof: `ADMIN_API_TOKEN`, a JSON Web Token, or the cookie of a session. */
  readonly by: 'token' | 'session' | 'jwt';
}

/** What access reads of a request: what Fastify's and Express' requests have in common. */
export interface AccessRequest {
  readonly socket: { readonly remoteAddress?: string; readonly encrypted?: boolean };
  readonly headers: Headers;
  readonly method?: string;
}

/** The headers of a request, as Node.js has them. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** The longest name of a person; OpenID Connect allows a `sub` of this length. */
export const LONGEST_NAME = 255;

/** Control characters, halves of surrogate pairs, line separators, and what reverses the direction of text. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u;

/** Returns whether a role includes another one. */
export function includesRole(role: Role, demanded: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(demanded);
}

/** Returns whether a text can name a person in logs, in the audit log and on pages. */
export function isName(text: unknown): text is string {
  return (
    typeof text === 'string' && text.trim() !== '' && text.length <= LONGEST_NAME && !UNPRINTABLE.test(text)
  );
}

/**
 * Returns the actor of an action that came by HTTP, for the audit log. The suffix distinguishes it from `user@host` of
 * the command line: the name of an account is often an email address.
 */
export function actorOf({ name }: Identity): string {
  return `${name} (http)`;
}
