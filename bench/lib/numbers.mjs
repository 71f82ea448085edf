/**
 * The value below which a share of the samples lies (the nearest sample).
 *
 * @param {readonly number[]} samples
 * @param {number} share from 0 to 1
 */
export function percentile(samples, share) {
  const sorted = Float64Array.from(samples).toSorted();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

/** @param {readonly number[]} samples */
export const median = (samples) => percentile(samples, 0.5);

/** @param {readonly number[]} samples */
export const largest = (samples) => percentile(samples, 1);

/** @param {number} value */
export const rounded = (value) => Math.round(value).toLocaleString('en-US');

/** @param {number} value milliseconds */
export const ms = (value) => `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;

/** @param {number} bytes */
export const mb = (bytes) => `${(bytes / 1_048_576).toFixed(1)} MB`;

/** @param {number} value milliseconds */
export const seconds = (value) => `${(value / 1000).toFixed(1)} s`;
