import { Module } from '@nestjs/common';
import {
  BackupsController,
  DatabaseStatsController,
  JobsController,
  PolicyController,
  RestoreTestsController,
  CleanupController,
} from './admin.controllers.js';
import { OpenApiController } from './openapi.controller.js';
import { PrivacyController } from './privacy.controller.js';
import { ProbesController } from './probes.controller.js';

/**
 * The routes `/live`, `/ready`, `/health`, `/admin/…` and `/openapi.json`, on Fastify and Express. Needs
 * `PgkeepModule.forRoot()` beside it, and starts the background evaluations.
 */
@Module({
  controllers: [
    ProbesController,
    DatabaseStatsController,
    JobsController,
    PolicyController,
    BackupsController,
    RestoreTestsController,
    CleanupController,
    PrivacyController,
    OpenApiController,
  ],
})
export class PgkeepHttpModule {}
