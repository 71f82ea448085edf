import { Logger } from '@nestjs/common';
import type { HttpReceiver } from '../config/alert-receivers.js';
import { messageOf } from '../core/errors.js';
import { beat } from '../notifiers/heartbeat.js';
import type { Notice, Notifier } from '../notifiers/notifier.types.js';
import { sendNotice } from './send-notice.js';

/** In ms; a sample may come a moment early. */
const PERIOD_MS = 60_000;
const EARLY_MS = 2000;

/** What goes out every minute: everything that fires, to receivers of states, and the heartbeat. */
export class EveryMinute {
  private readonly logger = new Logger('Alerts');
  private statesAtMs = -Infinity;
  private beatAtMs = -Infinity;
  private lastFault: string | undefined;

  /**
   * Sends the notice that `makeNotice` returns to the receivers of states, where that is due or something has changed.
   * Never throws.
   */
  async sendStates(
    notifiers: readonly Notifier[],
    makeNotice: () => Notice | undefined,
    moment: MinuteMoment & { readonly isChanged: boolean; readonly now: Date },
  ): Promise<void> {
    const { isChanged, monotonicMs, now, stop } = moment;
    const receivers = notifiers.filter(({ receives }) => receives === 'state');
    if (receivers.length === 0 || (!isChanged && !isDue(this.statesAtMs, monotonicMs))) return;
    this.statesAtMs = monotonicMs;
    const notice = makeNotice();
    if (!notice) return;
    const sent = await Promise.all(receivers.map((notifier) => sendNotice(notifier, notice, now, stop)));
    const faults = sent.flatMap((sending) => (sending.isSent ? [] : [sending.error]));
    // The next sample tries again.
    if (faults.length > 0) this.statesAtMs = -Infinity;
    if (!stop.aborted) this.logChange(faults[0]);
  }

  /** Requests the heartbeat's address where that is due. Never throws. */
  async beat(receiver: HttpReceiver | undefined, { monotonicMs, stop }: MinuteMoment): Promise<void> {
    if (!receiver || !isDue(this.beatAtMs, monotonicMs)) return;
    this.beatAtMs = monotonicMs;
    try {
      await beat(receiver, stop);
    } catch (error) {
      if (!stop.aborted) this.logger.warn(messageOf(error));
    }
  }

  private logChange(fault: string | undefined): void {
    if (fault !== undefined && fault !== this.lastFault) {
      this.logger.warn(`Alerts were not delivered, and are sent again with the next sample: ${fault}`);
    }
    this.lastFault = fault;
  }
}

/** When something is sent, by the monotonic clock, and what ends it. */
interface MinuteMoment {
  readonly monotonicMs: number;
  readonly stop: AbortSignal;
}

function isDue(lastMs: number, nowMs: number): boolean {
  return nowMs - lastMs >= PERIOD_MS - EARLY_MS;
}
