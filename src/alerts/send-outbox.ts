import { Logger } from '@nestjs/common';
import { messageOf } from '../core/errors.js';
import type { Notifier } from '../notifiers/notifier.types.js';
import type { AlertStore } from './alert-store.js';
import { sendNotice } from './send-notice.js';

/** Counts of tries since this process started, by receiver: for metrics. */
export type SendingCounts = ReadonlyMap<string, { readonly sent: number; readonly failed: number }>;

/** Sends what is in the outbox of the database. Any number of replicas can: a message is claimed before it is sent. */
export class OutboxSender {
  private readonly logger = new Logger('Alerts');
  private readonly counted = new Map<string, { sent: number; failed: number }>();
  /** Receivers that failed at their last try: only a change is logged. */
  private readonly failing = new Set<string>();
  private running: Promise<void> | undefined;

  constructor(private readonly store: AlertStore) {}

  get counts(): SendingCounts {
    return this.counted;
  }

  /** Sends what is due, the receivers concurrently, or waits for the sending that is under way. Never throws. */
  async run(notifiers: readonly Notifier[], clock: () => Date, stop: AbortSignal): Promise<void> {
    this.running ??= this.sendAll(notifiers, clock, stop).finally(() => {
      this.running = undefined;
    });
    await this.running;
  }

  /** Waits for the sending that is under way. */
  async ended(): Promise<void> {
    await this.running;
  }

  private async sendAll(notifiers: readonly Notifier[], clock: () => Date, stop: AbortSignal): Promise<void> {
    const receivers = notifiers.filter(({ receives }) => receives === 'changes');
    const ended = await Promise.allSettled([
      this.store.giveUpOthers(receivers.map(({ name }) => name)),
      ...receivers.map((notifier) => this.sendTo(notifier, clock, stop)),
    ]);
    for (const one of ended) {
      if (one.status === 'rejected' && !stop.aborted) {
        this.logger.warn(`The messages about alerts cannot be read: ${messageOf(one.reason)}`);
      }
    }
  }

  /** Sends what is due to one receiver, until it fails: the others wait for the next time. */
  private async sendTo(notifier: Notifier, clock: () => Date, stop: AbortSignal): Promise<void> {
    const { name } = notifier;
    while (!stop.aborted) {
      const claimed = await this.store.claim(name);
      if (!claimed) return;
      const sending = await sendNotice(notifier, claimed.notice, clock(), stop);
      this.count(name, sending.isSent);
      if (!sending.isSent) {
        const isGivenUp = await this.store.markFailed(claimed.id, name, sending.error, sending.retryAfterMs);
        this.logFailure(name, sending.error, isGivenUp);
        return;
      }
      await this.store.markSent(claimed.id, name);
      if (this.failing.delete(name)) this.logger.log(`${name} takes messages again.`);
    }
  }

  private count(name: string, isSent: boolean): void {
    const { sent, failed } = this.counted.get(name) ?? { sent: 0, failed: 0 };
    this.counted.set(name, isSent ? { sent: sent + 1, failed } : { sent, failed: failed + 1 });
  }

  private logFailure(name: string, error: string, isGivenUp: boolean): void {
    if (isGivenUp) this.logger.error(`A message about an alert was given up after a day: ${error}`);
    else if (!this.failing.has(name))
      this.logger.warn(`An alert was not delivered, and is tried again: ${error}`);
    this.failing.add(name);
  }
}
