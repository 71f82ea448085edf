import { createHash, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { KeepError } from '../errors.js';
import { FailureThrottle } from './failure-throttle.js';
import type { Request } from './reply.js';

/** Who holds `ADMIN_API_TOKEN`. Only the `Authorization` header counts: a token in a URL ends up in logs. */
@Injectable()
export class AdminAccess {
  constructor(@Inject(SETTINGS) private readonly settings: Settings) {}

  get isConfigured(): boolean {
    return this.settings.http.adminToken !== undefined;
  }

  /** Whether the request carries the token; compared in constant time. */
  isAdmin({ headers }: Request): boolean {
    const header = headers['authorization'];
    const token = typeof header === 'string' ? /^Bearer +(\S+) *$/i.exec(header)?.[1] : undefined;
    // Asked for each time: the file that holds it may have been replaced.
    const { adminToken } = this.settings.http;
    return (
      token !== undefined && adminToken !== undefined && timingSafeEqual(digest(token), digest(adminToken))
    );
  }
}

/** Guards the admin routes: 403 without a configured token, 401 without the right one, 429 after ten failures a minute. */
@Injectable()
export class AdminGuard implements CanActivate {
  private readonly throttle = new FailureThrottle();

  constructor(private readonly access: AdminAccess) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    const address = request.ip ?? '';
    if (!this.access.isConfigured) {
      throw new KeepError(
        'ADMIN_TOKEN_NOT_CONFIGURED',
        'The admin routes are closed: no admin token is configured.',
        {
          hint: 'Set ADMIN_API_TOKEN (or ADMIN_API_TOKEN_FILE) and restart.',
        },
      );
    }
    await this.throttle.requireOpen(address);
    if (this.access.isAdmin(request)) return true;
    await this.throttle.failed(address);
    throw new KeepError('ADMIN_TOKEN_REQUIRED', 'This route needs the admin token.', {
      hint: 'Send the header "Authorization: Bearer <ADMIN_API_TOKEN>".',
    });
  }
}

/** Equal lengths, whatever was sent: timingSafeEqual needs them. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
