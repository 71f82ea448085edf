import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import type { Unenforced } from '../postgres/catalogue/unenforced.js';
import { withDeadline } from '../postgres/connect.js';
import { DriftService } from '../drift/drift.service.js';
import type { DriftLook } from '../drift/drift.types.js';
import { messageOf } from '../core/errors.js';

/** Who changes a database by hand does not do it by the second. */
const REFRESH_MS = 60_000;
/** A look that takes long is taken more rarely: it may keep the server busy for a hundredth of the time. */
const REST = 100;
/** A deploy that is running is waited for. */
const RETRY_MS = 5000;
/** The first verdicts come before the first look. */
const FIRST_MS = 2000;
/** For so long what was seen before is believed, though looking again fails. */
const BELIEVED_MS = 600_000;
const GOODBYE_MS = 1000;

/** What is known of drift, or in a few words why nothing is; and what is there and not used or enforced. */
export type DriftFacts = ({ readonly look: DriftLook } | { readonly reason: string }) & {
  readonly unenforced?: readonly Unenforced[];
};

/**
 * Looks for drift beside the evaluations, at a slow pace of its own: it delays no verdict, and reads no more than the
 * digests where nothing differs.
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

  /** What is known, from memory; looks again in the background when that is old. */
  facts(): DriftFacts | undefined {
    const now = performance.now();
    this.dueAt ??= now + FIRST_MS;
    if (now >= this.dueAt) void this.refresh();
    return this.latest;
  }

  /** Looks now, unless a look is under way: then waits for that one. Never throws. */
  async refresh(): Promise<void> {
    if (this.isStopping) return;
    this.asking ??= this.ask().finally(() => {
      this.asking = undefined;
    });
    await this.asking;
  }

  /** What is under way may still use the database, which closes next. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (this.asking) await withDeadline(this.asking, GOODBYE_MS).catch(() => undefined);
  }

  private async ask(): Promise<void> {
    const startedAt = performance.now();
    let pause = REFRESH_MS;
    // A deploy explains what it has not finished; what cannot be read is as it was.
    this.unenforced = (await this.drift.unenforced().catch(() => undefined)) ?? this.unenforced;
    const { unenforced = [] } = this;
    try {
      const look = await this.drift.look(this.seen?.look);
      if (look.kind === 'deploying') pause = RETRY_MS;
      else {
        this.seen = { look, at: performance.now() };
        this.latest = { look, unenforced };
      }
    } catch (error) {
      const isOld = !this.seen || performance.now() - this.seen.at > BELIEVED_MS;
      if (isOld) this.latest = { reason: messageOf(error), unenforced };
    }
    const endedAt = performance.now();
    this.dueAt = endedAt + Math.max(pause, (endedAt - startedAt) * REST);
  }
}
