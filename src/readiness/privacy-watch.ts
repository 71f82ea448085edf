import { Inject, Injectable } from '@nestjs/common';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { Known } from '../core/known.js';
import { CleanupService } from '../privacy/cleanup/cleanup.service.js';
import type { ErasureState } from '../privacy/cleanup/erasure-state.js';
import { PacedWatch } from './paced-watch.js';

/** Erasure is behind by hours or days. */
const REFRESH_MS = 60_000;
/** The first verdicts come before the first reading. */
const FIRST_MS = 3000;
const DAY_MS = 86_400_000;

/** Reads how far erasure is behind. */
@Injectable()
export class PrivacyWatch extends PacedWatch {
  private latest: Known<ErasureState> | undefined;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly cleanup: CleanupService,
  ) {
    super(FIRST_MS);
  }

  /** Returns what is known, from memory, and reads again in the background when that is old. */
  facts(): Known<ErasureState> | undefined {
    this.refreshIfDue();
    return this.latest;
  }

  protected override async read(): Promise<number> {
    try {
      this.latest = { value: await this.cleanup.state(await this.periodMs()) };
    } catch (error) {
      this.latest = { reason: messageOf(error) };
    }
    return REFRESH_MS;
  }

  private async periodMs(): Promise<number> {
    const { privacy, backup } = this.settings;
    if (privacy.cleanupSchedule === undefined) return DAY_MS;
    // Loaded only here: the first verdicts need no parser.
    const { DueTimes } = await import('../jobs/due-times.js');
    return new DueTimes(privacy.cleanupSchedule, backup.timeZone).period(this.clock.now()) ?? DAY_MS;
  }
}
