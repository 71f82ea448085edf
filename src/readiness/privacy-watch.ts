import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { Known } from '../core/known.js';
import { withDeadline } from '../postgres/deadline.js';
import { CleanupService } from '../privacy/cleanup/cleanup.service.js';
import type { ErasureState } from '../privacy/cleanup/erasure-state.js';

/** Erasure is behind by hours or days. */
const REFRESH_MS = 60_000;
/** The pause is at least this many times as long as the reading took, so that it takes at most 1 % of the time. */
const PAUSE_FACTOR = 100;
/** The first verdicts come before the first reading. */
const FIRST_MS = 3000;
const DAY_MS = 86_400_000;
const STOP_MS = 1000;

/** Reads how far erasure is behind, apart from the evaluations: it delays no verdict. */
@Injectable()
export class PrivacyWatch implements BeforeApplicationShutdown {
  private latest: Known<ErasureState> | undefined;
  private asking: Promise<void> | undefined;
  private dueAt: number | undefined;
  private isStopping = false;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly cleanup: CleanupService,
  ) {}

  /** Returns what is known, from memory, and reads again in the background when that is old. */
  facts(): Known<ErasureState> | undefined {
    const now = performance.now();
    this.dueAt ??= now + FIRST_MS;
    if (now >= this.dueAt) void this.refresh();
    return this.latest;
  }

  /** Reads now, or waits for the reading that is under way. Never throws. */
  async refresh(): Promise<void> {
    if (this.isStopping) return;
    this.asking ??= this.ask().finally(() => {
      this.asking = undefined;
    });
    await this.asking;
  }

  /** Waits for a reading that is under way: it uses the database, which closes next. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (this.asking) await withDeadline(this.asking, STOP_MS).catch(() => undefined);
  }

  private async ask(): Promise<void> {
    const startedAt = performance.now();
    try {
      this.latest = { value: await this.cleanup.state(await this.periodMs()) };
    } catch (error) {
      this.latest = { reason: messageOf(error) };
    }
    const endedAt = performance.now();
    this.dueAt = endedAt + Math.max(REFRESH_MS, (endedAt - startedAt) * PAUSE_FACTOR);
  }

  private async periodMs(): Promise<number> {
    const { privacy, backup } = this.settings;
    if (privacy.cleanupSchedule === undefined) return DAY_MS;
    // Loaded only here: the first verdicts need no parser.
    const { DueTimes } = await import('../jobs/due-times.js');
    return new DueTimes(privacy.cleanupSchedule, backup.timeZone).period(this.clock.now()) ?? DAY_MS;
  }
}
