import { Injectable, Logger } from '@nestjs/common';
import { PgkeepError } from '../core/errors.js';
import { AccessService, notConfigured, requireRole } from './access.service.js';
import { type AccessRequest, type Identity, isName, LONGEST_NAME, type Role } from './access.types.js';
import { bearerOf } from './bearer.js';
import { requireSameSite, siteOf } from './cross-site.js';
import { type SessionEnd, SessionService } from './session.service.js';

/** What a person enters to sign in. */
export interface SignInForm {
  /** `ADMIN_API_TOKEN`. */
  readonly token: string;
  /** Who it is, as stated; empty where that was not said. */
  readonly name: string;
}

/** The result of signing in. */
export interface SignedIn {
  readonly identity: Identity;
  /** The header `Set-Cookie`. */
  readonly cookie: string;
}

/** Signs people in and out of the pages, and recognizes them there. */
@Injectable()
export class SignInService {
  private readonly logger = new Logger('Access');

  constructor(
    private readonly access: AccessService,
    private readonly sessions: SessionService,
  ) {}

  /**
   * Begins a session for the holder of the admin token.
   * @param path below which the pages are mounted: `/`
   * @throws PgkeepError `SIGN_IN_REFUSED`, `CROSS_SITE_REFUSED`, `ADMIN_TOKEN_NOT_CONFIGURED`, `TOO_MANY_FAILURES`.
   */
  async signIn(request: AccessRequest, { token, name }: SignInForm, path: string): Promise<SignedIn> {
    this.requireSameSite(request);
    if (!this.sessions.isPossible) throw notConfigured();
    const { name: holder, role } = await this.access.guess(request, token, {
      code: 'SIGN_IN_REFUSED',
      message: 'This is not the admin token.',
      hint: 'Enter the value of ADMIN_API_TOKEN.',
    });
    const stated = name.trim();
    if (stated !== '' && !isName(`${stated}, ${holder}`)) {
      throw new PgkeepError(
        'USAGE_INVALID',
        `A name has at most ${LONGEST_NAME - holder.length - 2} characters, and none that cannot be printed.`,
      );
    }
    const identity: Identity = { name: stated === '' ? holder : `${stated}, ${holder}`, role, by: 'session' };
    const cookie = await this.sessions.issue(request, identity, path);
    this.logger.log(`${identity.name} signed in`);
    return { identity, cookie };
  }

  /** Ends the session. @throws PgkeepError `CROSS_SITE_REFUSED`. */
  async signOut(request: AccessRequest, path: string): Promise<SessionEnd> {
    this.requireSameSite(request);
    return await this.sessions.revoke(request, path);
  }

  /**
   * Returns who visits a page, with at least this role: by the cookie of a session, or by the header `Authorization`. A
   * request that changes something must come from a page of pgkeep: the browser adds the cookie, whichever page made it
   * send the request.
   * @throws PgkeepError `SIGN_IN_REQUIRED`, `ROLE_REQUIRED`, `CROSS_SITE_REFUSED`, and what `AccessService.recognize`
   *   throws.
   */
  async requireVisitor(request: AccessRequest, role: Role): Promise<Identity> {
    const identity = (await this.sessions.read(request))?.identity ?? (await this.identify(request));
    requireRole(identity, role);
    this.requireSameSite(request);
    return identity;
  }

  /** Returns who sent a request without a session. @throws PgkeepError `SIGN_IN_REQUIRED` and what `AccessService.recognize` throws. */
  private async identify(request: AccessRequest): Promise<Identity> {
    const refusal = {
      code: 'SIGN_IN_REQUIRED',
      message: 'This page needs a session, and there is none, or it has ended.',
      hint: 'Sign in.',
    } as const;
    if (bearerOf(request.headers) !== undefined || !this.access.isConfigured) {
      return await this.access.recognize(request, refusal);
    }
    throw new PgkeepError(refusal.code, refusal.message, { hint: refusal.hint });
  }

  private requireSameSite(request: AccessRequest): void {
    const site = siteOf(request, this.access.proxies.hostOf(request));
    requireSameSite(request, { site, browserOnly: true });
  }
}
