import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';
import type { BackupSettings, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { PgkeepError, messageOf } from '../core/errors.js';
import { JOB_NAMES, JOBS } from '../maintenance/job-definitions.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';
import { LedgerWatch } from './ledger-watch.js';

/** How often the jobs are checked between due times, for missed and abandoned runs. */
const LONGEST_PAUSE_MS = 15_000;

/**
 * Checks the jobs at each due time by this machine's clock, and every few seconds. What is due, and which replica runs
 * it, is decided by the database and its clock.
 */
@Injectable()
export class Scheduler implements OnApplicationBootstrap {
  private readonly logger = new Logger('Schedule');
  private readonly settings: BackupSettings;
  private isStarted = false;
  private stepping: Promise<void> | undefined;
  private isWokenAgain = false;
  private loggedFault: string | undefined;

  constructor(
    @Inject(SETTINGS) private readonly allSettings: Settings,
    private readonly registry: SchedulerRegistry,
    private readonly maintenance: MaintenanceService,
    private readonly ledger: LedgerWatch,
  ) {
    this.settings = allSettings.backup;
  }

  /** Starts the schedule; does nothing where backups are off, or when called again. */
  start(): void {
    if (this.isStarted || !this.settings.enabled) return;
    this.isStarted = true;
    const wake = (): void => this.wake();
    const pauseMs = Math.min(LONGEST_PAUSE_MS, this.settings.jobLeaseMs / 2);
    this.registry.addInterval('pgkeep', setInterval(wake, pauseMs).unref());
    for (const name of JOB_NAMES) {
      const cronTime = JOBS[name].expression(this.allSettings);
      if (cronTime === undefined) continue;
      const { timeZone } = this.settings;
      const job = CronJob.from({ cronTime, timeZone, onTick: wake, start: true, unrefTimeout: true });
      this.registry.addCronJob(`pgkeep ${name}`, job);
    }
    this.wake();
    this.ledger.start();
  }

  onApplicationBootstrap(): void {
    this.start();
  }

  /** Does one step at a time; a call during a step causes another one after it. */
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
      if (this.loggedFault !== undefined) this.logger.log('The schedule runs again.');
      this.loggedFault = undefined;
    } catch (error) {
      const fault =
        error instanceof PgkeepError
          ? [error.message, error.hint].filter(Boolean).join(' ')
          : messageOf(error);
      // Logged once, not every few seconds; /ready reports it all the time.
      if (fault !== this.loggedFault) this.logger.warn(fault);
      this.loggedFault = fault;
    }
  }
}
