import { type BeforeApplicationShutdown, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { messageOf } from '../core/errors.js';
import { counted } from '../core/text.js';
import { LedgerService } from '../privacy/ledger/ledger.service.js';

const PERIOD_MS = 60_000;
/** Every so many periods, and at the start, everything is compared: a place may have lost its copies. */
const COMPLETE_EVERY = 360;

/** Copies the erasure ledger beside the backups every minute. Of several replicas, one does it at a time. */
@Injectable()
export class LedgerWatch implements OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger('Erasure ledger');
  private readonly stop = new AbortController();
  private shipping: Promise<void> | undefined;
  private periods = 0;
  private loggedFault: string | undefined;

  constructor(
    private readonly registry: SchedulerRegistry,
    private readonly ledger: LedgerService,
  ) {}

  start(): void {
    this.registry.addInterval('pgkeep erasure ledger', setInterval(() => this.wake(), PERIOD_MS).unref());
    this.wake();
  }

  onModuleDestroy(): void {
    this.stop.abort();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.shipping;
  }

  private wake(): void {
    if (this.stop.signal.aborted) return;
    this.shipping ??= this.ship().finally(() => {
      this.shipping = undefined;
    });
  }

  private async ship(): Promise<void> {
    let fault: string | undefined;
    try {
      const complete = this.periods % COMPLETE_EVERY === 0;
      const report = await this.ledger.ship({ complete, signal: this.stop.signal });
      if (report.state === 'done') this.periods += 1;
      if (report.shipped > 0) this.logger.log(`copied ${counted(report.shipped, 'action')}`);
      fault = report.failures.map(({ message }) => message).join(' ') || undefined;
    } catch (error) {
      fault = this.stop.signal.aborted ? undefined : messageOf(error);
    }
    // Logged once, not every minute; /ready reports it all the time.
    if (fault !== undefined && fault !== this.loggedFault) this.logger.warn(fault);
    this.loggedFault = fault;
  }
}
