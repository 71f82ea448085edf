import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { service } from '../audit-log/append.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import { StampService } from '../environment/stamp.service.js';
import { InstallService } from './install.service.js';

/** Installs schema pgkeep when the service starts, in the background; in production, stamps the database. */
@Injectable()
export class StartupInstall implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Install');
  private readonly stopping = new AbortController();

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly install: InstallService,
    private readonly stamp: StampService,
  ) {}

  /**
   * Tries once per readiness period until the database answers. A missing right is logged once, with the grant; the
   * readiness check reports it too.
   * @returns whether anything was changed.
   */
  async run(): Promise<boolean> {
    while (!this.stopping.signal.aborted) {
      try {
        return await this.once();
      } catch (error) {
        if (!(error instanceof PgkeepError) || error.kind !== 'unavailable') {
          this.logger.warn(
            [messageOf(error), error instanceof PgkeepError ? error.hint : ''].join(' ').trim(),
          );
          return false;
        }
        await sleep(this.settings.readiness.refreshMs, undefined, { signal: this.stopping.signal }).catch(
          () => undefined,
        );
      }
    }
    return false;
  }

  beforeApplicationShutdown(): void {
    this.stopping.abort();
  }

  private async once(): Promise<boolean> {
    const { applied } = await this.install.install(service());
    if (applied.length > 0) this.logger.log(`installed schema pgkeep: ${applied.join(', ')}`);
    // Only in production: a laptop that is pointed at production must not mark it as development.
    const isProduction = this.settings.environment === 'production';
    const stamped = isProduction ? await this.stamp.stampIfUnstamped('production', service()) : undefined;
    if (stamped) this.logger.log(`stamped database "${stamped.database}" as production`);
    return applied.length > 0 || stamped !== undefined;
  }
}
