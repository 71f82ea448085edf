import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { PgkeepError } from '../core/errors.js';
import { type AccessRequest, type Headers, type Identity, includesRole, type Role } from './access.types.js';
import { bearerOf, isSameToken } from './bearer.js';
import { requireSameSite, siteOf } from './cross-site.js';
import { FailedLogins } from './failed-logins.js';
import { FAILURES, FailureThrottle, WINDOW_SECONDS } from './failure-throttle.js';
import { networkOf, TrustedProxies } from './trusted-proxies.js';

/** The holder of the admin token, who is not known by name. */
const TOKEN_HOLDER: Identity = { name: 'admin token', role: 'admin', by: 'token' };

/** How an attempt without success is answered. */
interface Refusal {
  readonly code: 'ADMIN_TOKEN_REQUIRED' | 'SIGN_IN_REQUIRED' | 'SIGN_IN_REFUSED';
  readonly message: string;
  readonly hint: string;
}

/** Recognizes who sends a request. Only the header `Authorization` counts: a token in a URL ends up in logs. */
@Injectable()
export class AccessService {
  readonly proxies: TrustedProxies;
  private readonly logger = new Logger('Http');

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly throttle: FailureThrottle,
    private readonly failedLogins: FailedLogins,
  ) {
    this.proxies = new TrustedProxies(settings.http.trustedProxies);
  }

  /** Whether there is anything by which a request can be recognized. */
  get isConfigured(): boolean {
    return this.settings.http.adminToken !== undefined;
  }

  /** Returns whether the request has the admin token. */
  hasToken(headers: Headers): boolean {
    return this.isToken(bearerOf(headers));
  }

  /** Returns who sent a request, by its header `Authorization`. Cookies do not count: they open pages only. */
  async identify(headers: Headers): Promise<Identity | undefined> {
    const token = bearerOf(headers);
    return token === undefined ? undefined : await this.identifyToken(token);
  }

  /** Returns who holds a token. */
  async identifyToken(token: string): Promise<Identity | undefined> {
    return this.isToken(token) ? TOKEN_HOLDER : undefined;
  }

  /** Returns whether a text is the admin token, which is read each time: its file may have been replaced. */
  private isToken(token: string | undefined): boolean {
    return isSameToken(token, this.settings.http.adminToken);
  }

  /**
   * Returns who sent a request to the API, with at least this role.
   * @throws PgkeepError `ADMIN_TOKEN_NOT_CONFIGURED`, `ADMIN_TOKEN_REQUIRED`, `ROLE_REQUIRED`, `CROSS_SITE_REFUSED`,
   *   and `TOO_MANY_FAILURES` after ten failures a minute from one address.
   */
  async require(request: AccessRequest, role: Role): Promise<Identity> {
    const identity = await this.attempt(request, () => this.identify(request.headers), {
      code: 'ADMIN_TOKEN_REQUIRED',
      message: 'This route needs the admin token.',
      hint: 'Send the header "Authorization: Bearer <ADMIN_API_TOKEN>".',
    });
    requireRole(identity, role);
    // A proxy that signs people in adds the header to whatever their browser sends.
    requireSameSite(request, { site: siteOf(request, this.proxies.hostOf(request)), browserOnly: false });
    return identity;
  }

  /**
   * Returns what `identify` returns, and counts a failure where that is undefined.
   * @throws PgkeepError `ADMIN_TOKEN_NOT_CONFIGURED`, `TOO_MANY_FAILURES`, or that of `refusal`.
   */
  async attempt(
    request: AccessRequest,
    identify: () => Promise<Identity | undefined>,
    refusal: Refusal,
  ): Promise<Identity> {
    if (!this.isConfigured) {
      throw new PgkeepError(
        'ADMIN_TOKEN_NOT_CONFIGURED',
        'The admin routes are closed: no admin token is configured.',
        { hint: 'Set ADMIN_API_TOKEN (or ADMIN_API_TOKEN_FILE) and restart.' },
      );
    }
    const client = networkOf(this.proxies.clientOf(request));
    await this.throttle.requireOpen(client);
    const identity = await identify();
    if (identity) return identity;
    this.failedLogins.record();
    if (await this.throttle.failed(client)) this.warnOfClosing(client, request);
    throw new PgkeepError(refusal.code, refusal.message, { hint: refusal.hint });
  }

  /** Logs that the routes are closed. The clients of a proxy that TRUST_PROXY does not name share one address. */
  private warnOfClosing(client: string, request: AccessRequest): void {
    const advice = this.proxies.isUntrustedProxy(request)
      ? ' It sent X-Forwarded-For: if it is your proxy, name it in TRUST_PROXY, so that each of its clients is counted separately.'
      : '';
    this.logger.warn(
      `The admin routes are closed to ${client} for up to ${WINDOW_SECONDS} s after ${FAILURES} failed attempts.${advice}`,
    );
  }
}

/** @throws PgkeepError `ROLE_REQUIRED` where the identity has a lesser role. */
export function requireRole({ name, role }: Identity, demanded: Role): void {
  if (includesRole(role, demanded)) return;
  throw new PgkeepError('ROLE_REQUIRED', `This needs the role ${demanded}, and ${name} is ${role}.`, {
    hint: 'Ask an administrator for the role: docs/access.md#roles.',
  });
}
