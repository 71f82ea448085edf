import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { service } from '../audit-log/append.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import { StampService } from '../environment/stamp.service.js';
import { InstallService } from './install.service.js';

/** What the service does once at its start, in the background: install pgkeep's schema; in production, stamp. */
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
   * Tries until the database answers, once a readiness period. What the role may not do is logged once, with
   * the grant to give, and left: the readiness check tells it, too.
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
    if (applied.length > 0) this.logger.log(`installed pgkeep’s schema: ${applied.join(', ')}`);
    // Production only: a laptop pointed at production must not be able to mark it as development.
    const isProduction = this.settings.environment === 'production';
    const stamped = isProduction ? await this.stamp.stampIfUnstamped('production', service()) : undefined;
    if (stamped) this.logger.log(`stamped database "${stamped.database}" as production`);
    return applied.length > 0 || stamped !== undefined;
  }
}
