import type { Notice, Notifier } from '../notifiers/notifier.types.js';
import type { NewDelivery } from './alert-store.js';
import { sendNotice } from './send-notice.js';

const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 3_600_000;
const GIVEN_UP_MS = 86_400_000;
/** The oldest are dropped: an outage makes a handful of messages. */
const MOST_KEPT = 1000;

interface Entry {
  readonly notice: Notice;
  readonly receiver: string;
  readonly createdAt: number;
  state: NewDelivery['state'];
  attempts: number;
  nextTryAt: number;
  lastError: string | null;
}

/** The messages that cannot be stored, because the database is down: sent from memory, and stored once it is back. */
export class MemoryOutbox {
  private entries: Entry[] = [];

  /** Adds messages for these receivers, from `notBefore` on. A message that is in it already is not added again. */
  add(
    notices: readonly Notice[],
    receivers: readonly string[],
    { now, notBefore = now }: { readonly now: number; readonly notBefore?: number },
  ): void {
    for (const notice of notices) {
      for (const receiver of receivers) {
        if (this.entries.some((entry) => entry.notice.id === notice.id && entry.receiver === receiver))
          continue;
        this.entries.push({
          notice,
          receiver,
          createdAt: now,
          nextTryAt: notBefore,
          state: 'due',
          attempts: 0,
          lastError: null,
        });
      }
    }
    this.entries = this.entries.slice(-MOST_KEPT);
  }

  /** Tries each message that is due once, the receivers concurrently. Never throws. */
  async run(notifiers: readonly Notifier[], now: number, stop: AbortSignal): Promise<void> {
    await Promise.all(
      notifiers.map(async (notifier) => {
        for (const entry of this.entries) {
          if (entry.receiver !== notifier.name || entry.state !== 'due' || entry.nextTryAt > now) continue;
          if (stop.aborted || !(await this.try(entry, notifier, now, stop))) return;
        }
      }),
    );
  }

  /** Returns whether a message was taken by a receiver. */
  get hasSent(): boolean {
    return this.entries.some(({ state }) => state === 'sent');
  }

  /** Returns everything, to be stored: what was sent, and what is left. */
  all(): NewDelivery[] {
    return this.entries.map(({ notice, receiver, state, attempts, lastError }) => ({
      id: notice.id,
      receiver,
      notice,
      state,
      attempts,
      lastError,
    }));
  }

  /** Removes everything. */
  clear(): void {
    this.entries = [];
  }

  private async try(entry: Entry, notifier: Notifier, now: number, stop: AbortSignal): Promise<boolean> {
    const sending = await sendNotice(notifier, entry.notice, new Date(now), stop);
    entry.attempts += 1;
    if (sending.isSent) {
      entry.state = 'sent';
      entry.lastError = null;
      return true;
    }
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(entry.attempts - 1, 16));
    entry.nextTryAt = now + Math.max(pauseMs, sending.retryAfterMs);
    entry.lastError = sending.error;
    if (now - entry.createdAt > GIVEN_UP_MS) entry.state = 'failed';
    return false;
  }
}
