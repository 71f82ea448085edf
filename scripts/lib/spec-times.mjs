import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './project.mjs';

/**
 * The cost of one spec file, as test/support/timed-environment.mjs records it.
 *
 * @typedef {{spec: string, wallSeconds: number, cpuSeconds: number}} SpecTime
 */

/** The file with the times of the last complete run of `npm test`. */
export const SPEC_TIMES_FILE = join(root, '.pgkeep/spec-times.jsonl');

/** CPU seconds on the reference machine. */
export const BUDGET = { spec: 75, total: 1800 };

/** CPU seconds of `calibrate` on the reference machine: two cores, Node.js 20.20 (2026-11-27). */
const REFERENCE_SECONDS = 0.46;

/**
 * @param {string} file
 * @returns {SpecTime[]} the most expensive first
 */
export function readSpecTimes(file) {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').trim().split('\n').filter(Boolean);
  /** @type {SpecTime[]} */
  const times = lines.map((line) => JSON.parse(line));
  return times.toSorted((one, other) => other.cpuSeconds - one.cpuSeconds);
}

/**
 * The ten most expensive specs and the total, a line each.
 *
 * @param {readonly SpecTime[]} times the most expensive first
 */
export function summary(times) {
  const line = (/** @type {number} */ cpu, /** @type {number} */ wall, /** @type {string} */ what) =>
    `${cpu.toFixed(1).padStart(8)} s CPU ${wall.toFixed(1).padStart(8)} s wall  ${what}`;
  const slowest = times.slice(0, 10);
  return [
    'The most expensive specs:',
    ...slowest.map(({ spec, cpuSeconds, wallSeconds }) => line(cpuSeconds, wallSeconds, spec)),
    line(totalOf(times), sum(times.map((time) => time.wallSeconds)), `all ${times.length}`),
  ].join('\n');
}

/** @param {readonly SpecTime[]} times */
export function totalOf(times) {
  return sum(times.map((time) => time.cpuSeconds));
}

/**
 * How much slower this machine is than the reference, measured by a fixed piece of work: 2 is twice as slow; at least
 * 1.
 */
export function machineFactor() {
  calibrate();
  const before = process.cpuUsage();
  calibrate();
  const { user, system } = process.cpuUsage(before);
  return Math.max(1, (user + system) / 1e6 / REFERENCE_SECONDS);
}

/** Hashes, builds and sorts text: half a second of work that resembles the tests. */
function calibrate() {
  let digest = 'pgkeep';
  for (let round = 0; round < 600; round += 1) {
    const rows = Array.from({ length: 2000 }, (_, index) => ({ index, text: `${digest}-${index * 7919}` }));
    const sorted = rows.toSorted((one, other) => (one.text < other.text ? 1 : -1));
    digest = createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
  }
  return digest;
}

/** @param {readonly number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
