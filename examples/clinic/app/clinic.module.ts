import { Module, type DynamicModule, type ExecutionContext } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { PgkeepClientModule } from 'pgkeep/client/nest';
import { ChildrenController } from './children.controller.js';
import type { ClinicClient } from './clinic-client.js';
import { ProblemFilter } from './problem.filter.js';
import { SessionsController } from './sessions.controller.js';
import { UsersController } from './users.controller.js';

/** The clinic's application. */
@Module({
  controllers: [ChildrenController, SessionsController, UsersController],
  providers: [{ provide: APP_FILTER, useClass: ProblemFilter }],
})
export class ClinicModule {
  static forRoot(client: ClinicClient): DynamicModule {
    return { module: ClinicModule, imports: [PgkeepClientModule.forRoot({ client, actor })] };
  }
}

/** Who calls. A real application takes this from its session or token, never from a header that every caller can set. */
function actor(context: ExecutionContext): string | undefined {
  const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
  return headers['x-staff'];
}
