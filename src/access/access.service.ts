import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { PgkeepError } from '../core/errors.js';
import { type AccessRequest, type Headers, type Identity, includesRole, type Role } from './access.types.js';
import { bearerOf, isSameToken } from './bearer.js';
import { requireSameSite, siteOf } from './cross-site.js';
import { FailedLogins } from './failed-logins.js';
import { FAILURES, FailureThrottle, WINDOW_SECONDS } from './failure-throttle.js';
import type { JwtResult, JwtVerifier } from './jwt/jwt-verifier.js';
import { networkOf, TrustedProxies } from './trusted-proxies.js';

/** The holder of the admin token, who is not known by name. */
const TOKEN_HOLDER: Identity = { name: 'admin token', role: 'admin', by: 'token' };

/** How an attempt without success is answered. */
interface Refusal {
  readonly code: 'ADMIN_TOKEN_REQUIRED' | 'JWT_REFUSED' | 'SIGN_IN_REQUIRED' | 'SIGN_IN_REFUSED';
  readonly message: string;
  readonly hint: string;
}

/** Recognizes who sends a request. */
@Injectable()
export class AccessService {
  readonly proxies: TrustedProxies;
  private readonly logger = new Logger('Http');
  private verifier: JwtVerifier | undefined;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly throttle: FailureThrottle,
    private readonly failedLogins: FailedLogins,
    private readonly clock: Clock,
  ) {
    this.proxies = new TrustedProxies(settings.http.trustedProxies);
  }

  /** Whether there is anything by which a request can be recognized. */
  get isConfigured(): boolean {
    return this.settings.http.adminToken !== undefined || this.settings.jwt !== undefined;
  }

  /** Returns whether the request has the admin token. */
  hasToken(headers: Headers): boolean {
    return this.isToken(bearerOf(headers));
  }

  /**
   * Returns who sent a request, by its header `Authorization`. Cookies do not count: they open pages only.
   * @throws PgkeepError `JWT_KEYS_UNAVAILABLE`, `ROLE_REQUIRED`.
   */
  async identify(headers: Headers): Promise<Identity | undefined> {
    const token = bearerOf(headers);
    if (this.isToken(token)) return TOKEN_HOLDER;
    const jwt = await this.readJwt(token);
    return jwt && 'name' in jwt ? jwt : undefined;
  }

  /**
   * Returns who sent a request to the API, with at least this role.
   * @throws PgkeepError `ADMIN_TOKEN_REQUIRED`, `ROLE_REQUIRED`, `CROSS_SITE_REFUSED`, and what `recognize` throws.
   */
  async require(request: AccessRequest, role: Role): Promise<Identity> {
    const identity = await this.recognize(request, this.missing());
    requireRole(identity, role);
    // A proxy that signs people in adds the header to whatever their browser sends.
    requireSameSite(request, { site: siteOf(request, this.proxies.hostOf(request)), browserOnly: false });
    return identity;
  }

  /**
   * Returns who sent a request, by its header `Authorization`. Only what can be guessed, the admin token, is refused
   * after too many failures: those of others behind the same address do not lock out who has a signed token.
   * @throws PgkeepError `JWT_REFUSED`, `JWT_KEYS_UNAVAILABLE`, `ROLE_REQUIRED`, and what `guess` throws.
   */
  async recognize(request: AccessRequest, refusal: Refusal): Promise<Identity> {
    const token = bearerOf(request.headers);
    const jwt = this.isToken(token) ? undefined : await this.readJwt(token);
    if (!jwt) return await this.guess(request, token, refusal);
    if ('name' in jwt) return jwt;
    return await this.guess(request, token, {
      code: 'JWT_REFUSED',
      message: `The JSON Web Token ${jwt.refused}.`,
      hint: 'Sign in again at the identity provider, and compare the token with the settings ADMIN_JWT_….',
    });
  }

  /**
   * Returns the holder of the admin token, and counts a failure where this is not the token.
   * @throws PgkeepError `ADMIN_TOKEN_NOT_CONFIGURED`, that of `refusal`, and `TOO_MANY_FAILURES` after ten failures a
   *   minute from one address, for the right token as well.
   */
  async guess(request: AccessRequest, token: string | undefined, refusal: Refusal): Promise<Identity> {
    if (!this.isConfigured) throw notConfigured();
    const client = networkOf(this.proxies.clientOf(request));
    await this.throttle.requireOpen(client);
    if (this.isToken(token)) return TOKEN_HOLDER;
    this.failedLogins.record();
    if (await this.throttle.failed(client)) this.warnOfClosing(client, request);
    throw new PgkeepError(refusal.code, refusal.message, { hint: refusal.hint });
  }

  /** Returns whether a text is the admin token, which is read each time: its file may have been replaced. */
  private isToken(token: string | undefined): boolean {
    return isSameToken(token, this.settings.http.adminToken);
  }

  /** Returns whose token it is; undefined where it is no JSON Web Token, or none is accepted. */
  private async readJwt(token: string | undefined): Promise<JwtResult | undefined> {
    const { jwt } = this.settings;
    if (!jwt || token === undefined || !/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) return undefined;
    // Loaded here: most installations have no issuer, and the library costs a start 120 ms.
    const { JwtVerifier: Verifier } = await import('./jwt/jwt-verifier.js');
    this.verifier ??= new Verifier(jwt, this.clock);
    return await this.verifier.verify(token);
  }

  /** Says what the header needs. */
  private missing(): Refusal {
    const { jwt, http } = this.settings;
    const kinds = [
      ...(http.adminToken === undefined ? [] : ['the admin token']),
      ...(jwt ? [`a JSON Web Token of ${jwt.issuer}`] : []),
    ];
    return {
      code: 'ADMIN_TOKEN_REQUIRED',
      message: `This route needs ${kinds.join(', or ')}.`,
      hint: `Send the header "Authorization: Bearer ${jwt ? '<token>' : '<ADMIN_API_TOKEN>'}".`,
    };
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

/** Returns the error where nothing can be recognized. */
export function notConfigured(): PgkeepError {
  return new PgkeepError(
    'ADMIN_TOKEN_NOT_CONFIGURED',
    'The admin routes are closed: no admin token is configured.',
    { hint: 'Set ADMIN_API_TOKEN (or ADMIN_API_TOKEN_FILE) and restart.' },
  );
}

/** @throws PgkeepError `ROLE_REQUIRED` where the identity has a lesser role. */
export function requireRole({ name, role }: Identity, demanded: Role): void {
  if (includesRole(role, demanded)) return;
  throw new PgkeepError('ROLE_REQUIRED', `This needs the role ${demanded}, and ${name} is ${role}.`, {
    hint: 'Ask an administrator for the role: docs/access.md#roles.',
  });
}
