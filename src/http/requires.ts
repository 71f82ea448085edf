import {
  applyDecorators,
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  SetMetadata,
  UseGuards,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AccessService } from '../access/access.service.js';
import type { AccessRequest, Identity, Role } from '../access/access.types.js';

/** The metadata of a route: the least role that may use it. */
export const REQUIRED_ROLE = 'pgkeep:required-role';

/** Who sent a request that a guard has passed. */
const CALLERS = new WeakMap<object, Identity>();

/**
 * Guards a route of the API: 403 without a configured token, 401 without the right one, 429 after ten failures a minute
 * from one address, 403 for a lesser role, and for a request that another site's page sent.
 */
export function Requires(role: Role): ClassDecorator & MethodDecorator {
  return applyDecorators(SetMetadata(REQUIRED_ROLE, role), UseGuards(RoleGuard));
}

/** Injects who sent the request, into a parameter of a method that {@link Requires} guards. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Identity => {
  const caller = CALLERS.get(context.switchToHttp().getRequest<object>());
  if (!caller) throw new Error('a route has a Caller, and no guard');
  return caller;
});

/** The guard of {@link Requires}. */
@Injectable()
export class RoleGuard implements CanActivate {
  constructor(
    private readonly access: AccessService,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<AccessRequest>();
    const targets = [context.getHandler(), context.getClass()];
    // A route with the guard and without a role allows the least.
    const role = this.reflector.getAllAndOverride<Role | undefined>(REQUIRED_ROLE, targets) ?? 'admin';
    CALLERS.set(request, await this.access.require(request, role));
    return true;
  }
}
