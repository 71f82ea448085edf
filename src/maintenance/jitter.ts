/** The injection token of a `() => number` from 0 to 1, which spreads what is caught up. */
export const JITTER = Symbol('pgkeep jitter');
