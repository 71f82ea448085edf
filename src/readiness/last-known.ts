import type { Known, Unconfirmed } from './readiness.types.js';

/** For how long what was last known may stand in for what is unknown. */
export interface Patience {
  /** So many evaluations in a row. */
  readonly misses: number;
  /** In ms, from the beginning of the evaluation that learned it. */
  readonly ageMs: number;
}

/** Why a fact is unknown. */
export type Miss = Pick<Unconfirmed, 'code' | 'text'>;

/** One fact as it was last learned. */
export class LastKnown<T> {
  private last: { readonly value: T; readonly learnedAtMs: number } | undefined;
  private misses = 0;

  constructor(private readonly patience: Patience) {}

  /**
   * Takes what an evaluation learned.
   * @param miss why the fact is unknown; undefined where it is known, be it good or bad
   * @param beganAtMs when the evaluation began, by the monotonic clock
   * @returns the same fact; the last known one where this one is unknown and the patience is not used up.
   */
  take(fact: Known<T>, miss: Miss | undefined, beganAtMs: number): Known<T> {
    if (!miss) {
      this.misses = 0;
      this.last = 'value' in fact ? { value: fact.value, learnedAtMs: beganAtMs } : undefined;
      return fact;
    }
    this.misses += 1;
    if (!this.last || this.misses > this.patience.misses) return fact;
    const { value, learnedAtMs } = this.last;
    const { code, text } = miss;
    const untilMs = learnedAtMs + this.patience.ageMs;
    return { value, unconfirmed: { code, text, misses: this.misses, of: this.patience.misses, untilMs } };
  }
}
