import { type DynamicModule, Module } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { DashboardController } from './dashboard.controller.js';

/**
 * The pages for people, on Fastify and Express: the dashboard with its sign-in, and the public page of the status. Needs
 * `PgkeepModule.forRoot()` beside it.
 */
@Module({ controllers: [DashboardController] })
export class PgkeepDashboardModule {
  /** Mounts the pages below a path, such as `admin/pgkeep`; every link in them is relative. */
  static at(path: string): DynamicModule {
    return {
      module: PgkeepDashboardModule,
      imports: [RouterModule.register([{ path, module: PgkeepDashboardModule }])],
    };
  }
}
