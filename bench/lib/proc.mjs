import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second in /proc: 100 on every Linux. */
const TICKS = 100;

/** Positions of CPU times in /proc/PID/stat, counted from the state. */
const [USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM] = [11, 12, 13, 14];

/**
 * CPU time that a process has used, all its threads, user and system.
 *
 * @param {number} pid
 * @returns {number} seconds
 */
export function cpuSeconds(pid) {
  const fields = statOf(pid);
  return (Number(fields[USER]) + Number(fields[SYSTEM])) / TICKS;
}

/**
 * CPU time that a process and its ended children have used, theirs included.
 *
 * @param {number} pid
 * @returns {number} seconds
 */
export function cpuSecondsWithChildren(pid) {
  const fields = statOf(pid);
  return cpuSeconds(pid) + (Number(fields[CHILDREN_USER]) + Number(fields[CHILDREN_SYSTEM])) / TICKS;
}

/**
 * CPU time that the main thread of a process has used, more precisely than in ticks.
 *
 * @param {number} pid
 * @returns {number} ns
 */
export function nanosecondsOnCpu(pid) {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]);
}

/**
 * Resident memory of a process.
 *
 * @param {number} pid
 * @returns {number} bytes
 */
export function residentBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/**
 * Memory that a process shares with no other: a backend of PostgreSQL without the buffers of all.
 *
 * @param {number} pid
 * @returns {number} bytes
 */
export function privateBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/**
 * The direct children of a process.
 *
 * @param {number} pid
 * @returns {number[]}
 */
export function childrenOf(pid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid);
}

/** @param {number} pid */
function parentOf(pid) {
  try {
    return Number(statOf(pid)[1]);
  } catch {
    // It ended between the listing and the reading.
    return undefined;
  }
}

/**
 * The fields of /proc/PID/stat from the state on: the name before it may contain spaces.
 *
 * @param {number} pid
 */
function statOf(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}
