import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../audit-log/append.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { AccessService, notConfigured } from './access.service.js';
import type { AccessRequest, Identity } from './access.types.js';
import { type AllSessionsEnd, EndedSessions } from './ended-sessions.js';
import {
  cookiesOf,
  SESSION_SECONDS,
  type SessionClaims,
  sessionKey,
  setCookie,
  signSession,
  verifySession,
} from './session-cookie.js';

/** A session: who signed in, and until when that counts. */
export interface Session {
  readonly identity: Identity;
  readonly expiresAt: Date;
}

/** What ended a session. */
export interface SessionEnd {
  /** The header `Set-Cookie` that removes the cookie. */
  readonly cookie: string;
  /** Whether the other replicas learned of it; where not, this one refuses the session, and the log says why. */
  readonly everywhere: boolean;
}

/**
 * Issues and reads the cookie of a session. It states who signed in, and is signed with a key made from the admin token:
 * every replica reads it, no store is needed, and another token ends every session.
 */
@Injectable()
export class SessionService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly access: AccessService,
    private readonly ended: EndedSessions,
    private readonly clock: Clock,
  ) {}

  /** Whether sessions can be signed: there is an admin token. */
  get isPossible(): boolean {
    return this.settings.http.adminToken !== undefined;
  }

  /**
   * Returns the header `Set-Cookie` of a new session. The sessions that the request has are ended: the value that a
   * browser had before the sign-in must not count afterwards.
   * @param path below which the pages are
   * @throws PgkeepError `ADMIN_TOKEN_NOT_CONFIGURED`.
   */
  async issue(request: AccessRequest, { name, role }: Identity, path: string): Promise<string> {
    const key = this.key();
    if (!key) throw notConfigured();
    await this.endThose(request);
    const value = signSession(
      {
        expiresAt: Math.floor(this.clock.now().getTime() / 1000) + SESSION_SECONDS,
        id: randomUUID(),
        generation: await this.ended.generation(),
        name,
        role,
      },
      key,
    );
    return setCookie(value, SESSION_SECONDS, { path, secure: this.access.proxies.isSecure(request) });
  }

  /** Returns the session of a request's cookie; undefined where it has none, or one that does not count. */
  async read(request: AccessRequest): Promise<Session | undefined> {
    for (const { name, role, id, generation, expiresAt } of this.signed(request)) {
      if (await this.ended.has({ id, generation })) continue;
      return { identity: { name, role, by: 'session' }, expiresAt: new Date(expiresAt * 1000) };
    }
    return undefined;
  }

  /** Ends the sessions of a request, on every replica. */
  async revoke(request: AccessRequest, path: string): Promise<SessionEnd> {
    const everywhere = await this.endThose(request);
    return { everywhere, cookie: setCookie('', 0, { path, secure: this.access.proxies.isSecure(request) }) };
  }

  /**
   * Ends every session, on every replica, with an entry in the audit log.
   * @throws PgkeepError `NOT_INSTALLED`, `DATABASE_PERMISSION_DENIED`, or another `DATABASE_…` code.
   */
  async revokeAll(actor: string = operator()): Promise<AllSessionsEnd> {
    return await this.ended.endAll(actor);
  }

  private async endThose(request: AccessRequest): Promise<boolean> {
    let everywhere = true;
    for (const { id, expiresAt } of this.signed(request)) {
      everywhere = (await this.ended.end(id, new Date(expiresAt * 1000))) && everywhere;
    }
    return everywhere;
  }

  /** The sessions of a request's cookies whose signature and time are right. */
  private signed(request: AccessRequest): SessionClaims[] {
    const key = this.key();
    if (!key) return [];
    const now = this.clock.now();
    return cookiesOf(request.headers, this.access.proxies.isSecure(request)).flatMap(
      (value) => verifySession(value, key, now) ?? [],
    );
  }

  /** Made each time: the file that holds the token may have been replaced. */
  private key(): Buffer | undefined {
    const { adminToken } = this.settings.http;
    return adminToken === undefined ? undefined : sessionKey(adminToken, this.settings.environment);
  }
}
