import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import type { Unenforced } from '../postgres/catalogue/unenforced.js';
import { withDeadline } from '../postgres/deadline.js';
import { DriftService } from '../drift/drift.service.js';
import type { DriftLook } from '../drift/drift.types.js';
import { messageOf } from '../core/errors.js';
import type { Known } from '../core/known.js';

/** Changes by hand are rare. */
const REFRESH_MS = 60_000;
/** The pause is at least this many times as long as the comparison took, so that it takes at most 1 % of the time. */
const PAUSE_FACTOR = 100;
/** The pause while a deploy is running. */
const RETRY_MS = 5000;
/** The first verdicts come before the first comparison. */
const FIRST_MS = 2000;
/** A comparison is cached for this long although the next ones fail. */
const CACHE_MS = 600_000;
const STOP_MS = 1000;

/** What is known of drift. */
export interface DriftFacts {
  readonly look: Known<DriftLook>;
  /** What the database has and does not use or enforce. */
  readonly unenforced: readonly Unenforced[];
}

/**
 * Looks for drift apart from the evaluations, at its own slow pace: it delays no verdict, and reads only the digests
 * where nothing differs.
 */
@Injectable()
export class DriftWatch implements BeforeApplicationShutdown {
  private latest: DriftFacts | undefined;
  private seen: { readonly look: DriftLook; readonly at: number } | undefined;
  private unenforced: readonly Unenforced[] | undefined;
  private asking: Promise<void> | undefined;
  private dueAt: number | undefined;
  private isStopping = false;

  constructor(private readonly drift: DriftService) {}

  /** Returns what is known, from memory, and looks again in the background when that is old. */
  facts(): DriftFacts | undefined {
    const now = performance.now();
    this.dueAt ??= now + FIRST_MS;
    if (now >= this.dueAt) void this.refresh();
    return this.latest;
  }

  /** Looks now, or waits for the look that is under way. Never throws. */
  async refresh(): Promise<void> {
    if (this.isStopping) return;
    this.asking ??= this.ask().finally(() => {
      this.asking = undefined;
    });
    await this.asking;
  }

  /** Waits for a look that is under way: it may still use the database, which closes next. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (this.asking) await withDeadline(this.asking, STOP_MS).catch(() => undefined);
  }

  private async ask(): Promise<void> {
    const startedAt = performance.now();
    let pause = REFRESH_MS;
    // While a deploy runs, unfinished objects are its own; where they cannot be read, the last ones stay.
    this.unenforced = (await this.drift.unenforced().catch(() => undefined)) ?? this.unenforced;
    const { unenforced = [] } = this;
    try {
      const look = await this.drift.look(this.seen?.look);
      if (look.kind === 'deploying') pause = RETRY_MS;
      else {
        this.seen = { look, at: performance.now() };
        this.latest = { look: { value: look }, unenforced };
      }
    } catch (error) {
      const isOld = !this.seen || performance.now() - this.seen.at > CACHE_MS;
      if (isOld) this.latest = { look: { reason: messageOf(error) }, unenforced };
    }
    const endedAt = performance.now();
    this.dueAt = endedAt + Math.max(pause, (endedAt - startedAt) * PAUSE_FACTOR);
  }
}
