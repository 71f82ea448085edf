import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';
import type { BackupSettings, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { PgkeepError, messageOf } from '../core/errors.js';
import { JOB_NAMES, JOBS } from '../maintenance/job-table.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';

/** How often the jobs are looked at where no cron expression comes true: for what was missed or abandoned. */
const LONGEST_PAUSE_MS = 15_000;

/**
 * Wakes the jobs: when a cron expression comes true by this machine's clock, and every few seconds. Only wakes: what
 * is due, and who runs it, is decided by the database and its clock.
 */
@Injectable()
export class Scheduler implements OnApplicationBootstrap {
  private readonly logger = new Logger('Schedule');
  private readonly settings: BackupSettings;
  private isStarted = false;
  private stepping: Promise<void> | undefined;
  private isWokenAgain = false;
  private toldFault: string | undefined;

  constructor(
    @Inject(SETTINGS) { backup }: Settings,
    private readonly registry: SchedulerRegistry,
    private readonly maintenance: MaintenanceService,
  ) {
    this.settings = backup;
  }

  /** Begins; a no-op where backups are off, or where it has begun. */
  start(): void {
    if (this.isStarted || !this.settings.enabled) return;
    this.isStarted = true;
    const wake = (): void => this.wake();
    const pauseMs = Math.min(LONGEST_PAUSE_MS, this.settings.jobLeaseMs / 2);
    this.registry.addInterval('pgkeep', setInterval(wake, pauseMs).unref());
    for (const name of JOB_NAMES) {
      const cronTime = JOBS[name].expression(this.settings);
      if (cronTime === undefined) continue;
      const { timeZone } = this.settings;
      const job = CronJob.from({ cronTime, timeZone, onTick: wake, start: true, unrefTimeout: true });
      this.registry.addCronJob(`pgkeep ${name}`, job);
    }
    this.wake();
  }

  onApplicationBootstrap(): void {
    this.start();
  }

  /** One step at a time; woken during one, there is another one after it. */
  private wake(): void {
    if (this.stepping) {
      this.isWokenAgain = true;
      return;
    }
    this.stepping = this.step().finally(() => {
      this.stepping = undefined;
      if (!this.isWokenAgain) return;
      this.isWokenAgain = false;
      this.wake();
    });
  }

  private async step(): Promise<void> {
    try {
      await this.maintenance.step();
      if (this.toldFault !== undefined) this.logger.log('The schedule runs again.');
      this.toldFault = undefined;
    } catch (error) {
      const fault =
        error instanceof PgkeepError
          ? [error.message, error.hint].filter(Boolean).join(' ')
          : messageOf(error);
      // Once, and not every few seconds; /ready goes on telling it.
      if (fault !== this.toldFault) this.logger.warn(fault);
      this.toldFault = fault;
    }
  }
}
