import { Module } from '@nestjs/common';
import {
  BackupsController,
  DatabaseStatsController,
  JobsController,
  PolicyController,
  RestoreTestsController,
  CleanupController,
} from './admin.controllers.js';
import { AlertsController } from './alerts.controller.js';
import { MetricsController, MetricsGuard } from './metrics.controller.js';
import { OpenApiController } from './openapi.controller.js';
import { OverviewController } from './overview.controller.js';
import { PrivacyController } from './privacy.controller.js';
import { ProbesController } from './probes.controller.js';

/**
 * The routes `/live`, `/ready`, `/health`, `/metrics`, `/admin/…` and `/openapi.json`, on Fastify and Express. Needs
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
    AlertsController,
    MetricsController,
    OverviewController,
    OpenApiController,
  ],
  providers: [MetricsGuard],
})
export class PgkeepHttpModule {}
