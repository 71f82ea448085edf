import type { Tier } from '../probe.js';

/** The pause is at least this many times as long as the probes took, so that they take at most 1 % of the time. */
const PAUSE_FACTOR = 100;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Decides when the probes of a tier are due, by a monotonic clock: a change of the machine's time changes nothing. */
export class TierPace {
  private readonly periods: Readonly<Record<Tier, number>>;
  private readonly dueAt = new Map<Tier, number>();
  private readonly paused = new Map<Tier, number>();

  /**
   * @param sampleMs the period of the tier of every sample
   * @param pauseFactor how many times as long as they took the probes rest; less where a person watches for a while
   */
  constructor(
    sampleMs: number,
    private readonly pauseFactor = PAUSE_FACTOR,
  ) {
    this.periods = { sample: sampleMs, minute: Math.max(MINUTE_MS, sampleMs), hour: HOUR_MS };
  }

  /** Returns whether the probes of a tier are due. A sample that comes a moment early is not left out. */
  isDue(tier: Tier, nowMs: number): boolean {
    return nowMs >= (this.dueAt.get(tier) ?? -Infinity) - this.periods.sample / 4;
  }

  /** Notes how long the probes of a tier took. */
  took(tier: Tier, { beganMs, endedMs }: { readonly beganMs: number; readonly endedMs: number }): void {
    const pauseMs = (endedMs - beganMs) * this.pauseFactor;
    this.paused.set(tier, pauseMs);
    this.dueAt.set(tier, Math.max(beganMs + this.periods[tier], endedMs + pauseMs));
  }

  /** Returns how many times its period a tier rests, because it takes long; 1 where it keeps its period. */
  stretch(tier: Tier): number {
    return Math.max(1, (this.paused.get(tier) ?? 0) / this.periods[tier]);
  }
}
