import { Injectable } from '@nestjs/common';
import type { HealthCheckResult, HealthIndicatorResult } from '@nestjs/terminus';
import type { Verdict } from './readiness.types.js';

/** The latest verdict, from memory. The injection token of what the indicators read. */
export abstract class LatestVerdict {
  abstract verdict(): Verdict | Promise<Verdict>;
  abstract health(): Promise<HealthCheckResult>;
}

/**
 * Reports one check of pgkeep in an application's own Terminus health check:
 *
 * ```ts
 * this.health.check([() => this.migrations.isHealthy(), () => this.redis.isHealthy('redis')]);
 * ```
 */
@Injectable()
export abstract class CheckHealthIndicator {
  /** The name of the check. */
  abstract readonly name: string;

  constructor(private readonly latest: LatestVerdict) {}

  /**
   * Returns the latest result of the check, from memory. `degraded` is a check that fails without making the service
   * not ready, by its gate. A verdict that is missing or out of date, or a process that shuts down, is `down`.
   * @param key the name in the health check's response; defaults to that of the check
   */
  async isHealthy(key: string = this.name): Promise<HealthIndicatorResult> {
    const { code, hint } = await this.latest.verdict();
    const { details } = await this.latest.health();
    const { status = 'down', ...shown } = details[this.name] ?? {};
    // An application with a health check has loaded Terminus. The service and the commands never do: 10 to 20 ms a start.
    const { HealthIndicatorService } = await import('@nestjs/terminus');
    const indicator = new HealthIndicatorService().check(key);
    if (code !== undefined) return indicator.down({ ...shown, code, hint });
    if (status === 'degraded') return indicator.degraded(shown);
    return status === 'up' ? indicator.up(shown) : indicator.down(shown);
  }
}
