import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Header,
  Inject,
  Injectable,
  Logger,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { AccessService } from '../access/access.service.js';
import type { AccessRequest } from '../access/access.types.js';
import { bearerOf, isSameToken } from '../access/bearer.js';
import { FailureThrottle, WINDOW_SECONDS } from '../access/failure-throttle.js';
import { networkOf } from '../access/trusted-proxies.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { PgkeepError } from '../core/errors.js';
import type { MetricsService } from '../metrics/metrics.service.js';
import { ProblemFilter } from './problem.js';

/**
 * Guards `/metrics`: 403 without a configured token, 401 without the right one. Wrong tokens are counted apart from
 * those of the admin routes, and never close the route to the right METRICS_TOKEN: a scraper with an old one must
 * neither lock out an administrator nor the other scrapers behind its proxy.
 */
@Injectable()
export class MetricsGuard implements CanActivate {
  private readonly logger = new Logger('Http');
  private readonly throttle = new FailureThrottle();

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly access: AccessService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { metrics } = this.settings;
    const request = context.switchToHttp().getRequest<AccessRequest>();
    // The token is read each time: the file that holds it may have been replaced.
    if (metrics.isPublic || isSameToken(bearerOf(request.headers), metrics.token)) return true;
    if (metrics.token === undefined && !this.access.isConfigured) {
      throw new PgkeepError(
        'METRICS_NOT_CONFIGURED',
        'The route /metrics is closed: no token is configured.',
        {
          hint: 'Set METRICS_TOKEN (or METRICS_TOKEN_FILE), or METRICS_PUBLIC=true, and restart.',
        },
      );
    }
    const client = networkOf(this.access.proxies.clientOf(request));
    await this.throttle.requireOpen(client);
    if (await this.access.identify(request.headers)) return true;
    if (await this.throttle.failed(client)) {
      this.logger.warn(
        `The route /metrics accepts only METRICS_TOKEN from ${client} for up to ${WINDOW_SECONDS} s: too many failed attempts.`,
      );
    }
    throw new PgkeepError('METRICS_TOKEN_REQUIRED', 'The route /metrics needs a token.', {
      hint: 'Send the header "Authorization: Bearer <METRICS_TOKEN>".',
    });
  }
}

/** `/metrics`: what this process knows, for Prometheus. */
@Controller()
@UseFilters(ProblemFilter)
@UseGuards(MetricsGuard)
export class MetricsController {
  private service: MetricsService | undefined;

  constructor(private readonly modules: LazyModuleLoader) {}

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @Header('cache-control', 'no-store')
  async metrics(): Promise<string> {
    this.service ??= await this.load();
    return await this.service.exposition();
  }

  /** Loads the module at the first scrape: the start of the service needs none of it. */
  private async load(): Promise<MetricsService> {
    const { MetricsModule } = await import('../metrics/metrics.module.js');
    const module = await this.modules.load(() => MetricsModule, { logger: false });
    const loaded = await import('../metrics/metrics.service.js');
    return module.get(loaded.MetricsService);
  }
}
