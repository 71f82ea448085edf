import { createHash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Inject, Injectable, Logger } from '@nestjs/common';
import type { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { PgkeepError } from '../core/errors.js';
import { ClientAddresses, networkOf } from './client-address.js';
import type { Request } from './reply.js';

/** Recognizes the holder of `ADMIN_API_TOKEN`. Only the `Authorization` header counts: a token in a URL ends up in logs. */
@Injectable()
export class AdminAccess {
  constructor(@Inject(SETTINGS) private readonly settings: Settings) {}

  get isConfigured(): boolean {
    return this.settings.http.adminToken !== undefined;
  }

  /** Returns whether the request has the admin token. */
  isAdmin(request: Request): boolean {
    // Read each time: the file that holds it may have been replaced.
    return holdsToken(request, this.settings.http.adminToken);
  }
}

/** Returns whether the request has this token; compares in constant time. */
export function holdsToken({ headers }: Request, expected: string | undefined): boolean {
  const header = headers['authorization'];
  const token = typeof header === 'string' ? /^Bearer +(\S+) *$/i.exec(header)?.[1] : undefined;
  return token !== undefined && expected !== undefined && timingSafeEqual(digest(token), digest(expected));
}

/** Guards the admin routes: 403 without a configured token, 401 without the right one, 429 after ten failures a minute. */
@Injectable()
export class AdminGuard implements CanActivate {
  private readonly logger = new Logger('Http');
  private readonly throttle = new FailureThrottle();
  private readonly addresses: ClientAddresses;

  constructor(
    @Inject(SETTINGS) settings: Settings,
    private readonly access: AdminAccess,
  ) {
    this.addresses = new ClientAddresses(settings.http.trustedProxies);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    const client = networkOf(this.addresses.clientOf(request));
    if (!this.access.isConfigured) {
      throw new PgkeepError(
        'ADMIN_TOKEN_NOT_CONFIGURED',
        'The admin routes are closed: no admin token is configured.',
        {
          hint: 'Set ADMIN_API_TOKEN (or ADMIN_API_TOKEN_FILE) and restart.',
        },
      );
    }
    await this.throttle.requireOpen(client);
    if (this.access.isAdmin(request)) return true;
    if (await this.throttle.failed(client)) this.warnOfClosing(client, request);
    throw new PgkeepError('ADMIN_TOKEN_REQUIRED', 'This route needs the admin token.', {
      hint: 'Send the header "Authorization: Bearer <ADMIN_API_TOKEN>".',
    });
  }

  /** Logs that the routes are closed. The clients of a proxy that TRUST_PROXY does not name share one address. */
  private warnOfClosing(client: string, request: Request): void {
    const advice = this.addresses.isUntrustedProxy(request)
      ? ' It sent X-Forwarded-For: if it is your proxy, name it in TRUST_PROXY, so that each of its clients is counted separately.'
      : '';
    this.logger.warn(
      `The admin routes are closed to ${client} for up to ${WINDOW_SECONDS} s after ${FAILURES} failed attempts.${advice}`,
    );
  }
}

/** Equal lengths, whatever was sent: timingSafeEqual needs them. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** This many failures from one address within the window close the admin routes to it. */
const FAILURES = 10;

export const WINDOW_SECONDS = 60;

/** Too many failed attempts; answered with 429. */
class TooManyFailuresError extends PgkeepError {
  constructor(
    /** Seconds until the address may try again, rounded up. */
    readonly retryAfterSeconds: number,
  ) {
    super('TOO_MANY_FAILURES', 'Too many failed attempts from this address.', {
      hint: `Try again in ${retryAfterSeconds} s, with the token of ADMIN_API_TOKEN.`,
    });
  }
}

/** Returns the seconds for `Retry-After`, where the error has them. */
export function retryAfterOf(error: unknown): number | undefined {
  return error instanceof TooManyFailuresError ? error.retryAfterSeconds : undefined;
}

/**
 * Counts failed authentications by address, ten a minute. A closed address is closed to the right token as well:
 * otherwise each response would still reveal whether a guess was right.
 */
export class FailureThrottle {
  /** Made at the first failure: most instances never see one. */
  private limiter: RateLimiterMemory | undefined;

  /** @throws TooManyFailuresError when this address has failed too often. */
  async requireOpen(address: string): Promise<void> {
    const seen = await this.limiter?.get(address);
    if (seen && seen.consumedPoints >= FAILURES) throw tooMany(seen);
  }

  /** Counts one failure. Returns whether it closed the admin routes to this address. */
  async failed(address: string): Promise<boolean> {
    const { RateLimiterMemory: Limiter } = await import('rate-limiter-flexible');
    this.limiter ??= new Limiter({ points: FAILURES, duration: WINDOW_SECONDS });
    const { consumedPoints } = await this.limiter.penalty(address);
    return consumedPoints === FAILURES;
  }
}

function tooMany({ msBeforeNext }: RateLimiterRes): TooManyFailuresError {
  return new TooManyFailuresError(Math.max(1, Math.ceil(msBeforeNext / 1000)));
}
