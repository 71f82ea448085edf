import { Injectable } from '@nestjs/common';
import type { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { PgkeepError } from '../core/errors.js';

/** This many failures from one address within the window close the routes to it. */
export const FAILURES = 10;

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
@Injectable()
export class FailureThrottle {
  /** Made at the first failure: most instances never see one. */
  private limiter: RateLimiterMemory | undefined;

  /** @throws TooManyFailuresError when this address has failed too often. */
  async requireOpen(address: string): Promise<void> {
    const seen = await this.limiter?.get(address);
    if (seen && seen.consumedPoints >= FAILURES) throw tooMany(seen);
  }

  /** Counts one failure. Returns whether it closed the routes to this address. */
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
