import {
  ConfigurableModuleBuilder,
  Inject,
  Module,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { Observable } from 'rxjs';
import { runAsActor } from '../actor.js';
import type { Actor } from '../client.types.js';

/** What the module needs of a Prisma client. */
export interface ConnectableClient {
  $connect(): Promise<void>;
  $disconnect(): Promise<void>;
}

/** Options of `PgkeepClientModule`. */
export interface ClientModuleOptions {
  /** The application's client: `new PrismaClient({ adapter: createGuardedAdapter() }).$extends(pgkeepGuard(…))`. */
  readonly client: ConnectableClient;
  /** Returns who calls, after the guards have run; `currentActor()` returns it in the handler and all that it calls. */
  readonly actor?: ((context: ExecutionContext) => Actor | undefined) | undefined;
}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<ClientModuleOptions>({
  moduleName: 'PgkeepClient',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createClientOptions')
  .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
  .build();

/** Injects the application's client: `constructor(@Inject(PGKEEP_CLIENT) private readonly prisma: ClinicClient)`. */
export const PGKEEP_CLIENT = Symbol('PGKEEP_CLIENT');

/** Runs each handler as the actor of its request. An interceptor and not a middleware: the guards know who calls. */
class ActorInterceptor implements NestInterceptor {
  constructor(@Inject(MODULE_OPTIONS_TOKEN) private readonly options: ClientModuleOptions) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { actor } = this.options;
    if (!actor) return next.handle();
    // The handler runs when its result is subscribed to.
    return new Observable((subscriber) =>
      runAsActor(
        () => actor(context),
        () => next.handle().subscribe(subscriber),
      ),
    );
  }
}

/**
 * The guarded client as a module of a Nest application: connects at the start, with three tries, provides the client as
 * `PGKEEP_CLIENT`, knows who calls, and closes the connections at the shutdown, after the HTTP server.
 */
@Module({
  providers: [
    {
      provide: PGKEEP_CLIENT,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: ({ client }: ClientModuleOptions) => client,
    },
    { provide: APP_INTERCEPTOR, useClass: ActorInterceptor },
  ],
  exports: [PGKEEP_CLIENT],
})
export class PgkeepClientModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationShutdown
{
  constructor(@Inject(PGKEEP_CLIENT) private readonly client: ConnectableClient) {
    super();
  }

  /** Connects. @throws PgkeepError a `DATABASE_…` code that says what to do. */
  async onModuleInit(): Promise<void> {
    await this.client.$connect();
  }

  /** Waits for running work, and closes the connections. */
  async onApplicationShutdown(): Promise<void> {
    await this.client.$disconnect();
  }
}
