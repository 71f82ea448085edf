import { applyDecorators, Injectable, SetMetadata, UseGuards } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { AccessRequest, Identity, Role } from '../access/access.types.js';
import { SignInService } from '../access/sign-in.service.js';
import { IdentityGuard, REQUIRED_ROLE } from './requires.js';

/** The guard of {@link RequiresVisitor}. */
@Injectable()
export class VisitorGuard extends IdentityGuard {
  constructor(
    private readonly signIn: SignInService,
    reflector: Reflector,
  ) {
    super(reflector);
  }

  protected async identify(request: AccessRequest, role: Role): Promise<Identity> {
    return await this.signIn.requireVisitor(request, role);
  }
}

/**
 * Guards a page, and what its forms send: a session counts beside the header `Authorization`, and a request that changes
 * something must come from a page of pgkeep. Throws `SIGN_IN_REQUIRED` where there is no session. The module of the
 * controller imports `SessionModule`.
 */
export function RequiresVisitor(role: Role): ClassDecorator & MethodDecorator {
  return applyDecorators(SetMetadata(REQUIRED_ROLE, role), UseGuards(VisitorGuard));
}
