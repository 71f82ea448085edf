import { Injectable } from '@nestjs/common';
import type { Unenforced } from '../postgres/catalogue/unenforced.js';
import { DriftService } from '../drift/drift.service.js';
import type { DriftLook } from '../drift/drift.types.js';
import { messageOf } from '../core/errors.js';
import type { Known } from '../core/known.js';
import { PacedWatch } from './paced-watch.js';

/** Changes by hand are rare. */
const REFRESH_MS = 60_000;
/** The pause while a deploy is running. */
const RETRY_MS = 5000;
/** The first verdicts come before the first comparison. */
const FIRST_MS = 2000;
/** A comparison is cached for this long although the next ones fail. */
const CACHE_MS = 600_000;

/** What is known of drift. */
export interface DriftFacts {
  readonly look: Known<DriftLook>;
  /** What the database has and does not use or enforce. */
  readonly unenforced: readonly Unenforced[];
}

/** Looks for drift; where nothing differs, reads only the digests. */
@Injectable()
export class DriftWatch extends PacedWatch {
  private latest: DriftFacts | undefined;
  private seen: { readonly look: DriftLook; readonly at: number } | undefined;
  private unenforced: readonly Unenforced[] | undefined;

  constructor(private readonly drift: DriftService) {
    super(FIRST_MS);
  }

  /** Returns what is known, from memory, and looks again in the background when that is old. */
  facts(): DriftFacts | undefined {
    this.refreshIfDue();
    return this.latest;
  }

  protected override async read(): Promise<number> {
    // While a deploy runs, unfinished objects are its own; where they cannot be read, the last ones stay.
    this.unenforced = (await this.drift.unenforced().catch(() => undefined)) ?? this.unenforced;
    const { unenforced = [] } = this;
    try {
      const look = await this.drift.look(this.seen?.look);
      if (look.kind === 'deploying') return RETRY_MS;
      this.seen = { look, at: performance.now() };
      this.latest = { look: { value: look }, unenforced };
    } catch (error) {
      const isOld = !this.seen || performance.now() - this.seen.at > CACHE_MS;
      if (isOld) this.latest = { look: { reason: messageOf(error) }, unenforced };
    }
    return REFRESH_MS;
  }
}
