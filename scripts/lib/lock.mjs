import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './project.mjs';
import { SetUpError } from './set-up-error.mjs';

const file = join(root, '.pgkeep', 'setup.lock');
const patienceMs = 15 * 60_000;
const pollMs = 200;

/**
 * A process. Its start time, where /proc shows it, distinguishes it from a later one with the same number.
 *
 * @typedef {{pid: number, startedAt: string | undefined}} Process
 * @typedef {{owner: Process, child?: Process}} Holder
 */

/**
 * @param {number} pid
 * @returns {{startedAt?: string, isZombie?: boolean}}
 */
function procStat(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { startedAt: fields[19], isZombie: fields[0] === 'Z' };
  } catch {
    return {};
  }
}

/** @param {Process | undefined} candidate */
function isAlive(candidate) {
  if (candidate === undefined) return false;
  try {
    process.kill(candidate.pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  const { startedAt, isZombie } = procStat(candidate.pid);
  return isZombie !== true && (startedAt === undefined || startedAt === candidate.startedAt);
}

/** @param {number} pid */
const processOf = (pid) => ({ pid, startedAt: procStat(pid).startedAt });

const ownFile = `${file}.${process.pid}`;

/**
 * Takes the lock unless another process holds it. A file that appears with its content (a hard link) is never seen
 * half written.
 *
 * @param {Holder} holder
 */
function tryTake(holder) {
  writeFileSync(ownFile, JSON.stringify(holder));
  try {
    linkSync(ownFile, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(ownFile, { force: true });
  }
}

/** @returns {{text: string, holder: Holder | undefined} | undefined} */
function current() {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return { text, holder: JSON.parse(text) };
  } catch {
    return { text, holder: undefined };
  }
}

/**
 * Removes the lock of a dead process. Of several processes that try, one succeeds with the rename; a new lock of
 * another process that was removed by mistake is restored.
 *
 * @param {string} staleText
 */
function removeStale(staleText) {
  try {
    renameSync(file, ownFile);
    if (readFileSync(ownFile, 'utf8') !== staleText) linkSync(ownFile, file);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes(error.code ?? '')) throw error;
  } finally {
    rmSync(ownFile, { force: true });
  }
}

/**
 * Runs `work` while no other set-up of this clone runs. A set-up that was killed leaves its lock, and perhaps its
 * child (npm) running: the lock counts as held until both are gone.
 *
 * @template T
 * @param {(recordChild: (pid: number) => void) => Promise<T>} work
 * @param {(pid: number) => void} onWait called once, with the process that holds the lock
 */
export async function withLock(work, onWait) {
  const owner = processOf(process.pid);
  const deadline = Date.now() + patienceMs;
  mkdirSync(dirname(file), { recursive: true });

  for (let hasWaited = false; !tryTake({ owner });) {
    const lock = current();
    if (lock === undefined) continue;
    const holder = [lock.holder?.owner, lock.holder?.child].find(isAlive);
    if (holder === undefined) {
      removeStale(lock.text);
      continue;
    }
    if (!hasWaited) onWait(holder.pid);
    hasWaited = true;
    if (Date.now() > deadline) {
      throw new SetUpError(
        `waiting for the other set-up of ${root}`,
        `process ${holder.pid} has held ${file} for ${patienceMs / 60_000} minutes.`,
        `inspect it (\`ps -fp ${holder.pid}\`), end it if it hangs (\`kill ${holder.pid}\`), run the same command again.`,
      );
    }
    await sleep(pollMs);
  }

  try {
    return await work((pid) => {
      writeFileSync(ownFile, JSON.stringify({ owner, child: processOf(pid) }));
      renameSync(ownFile, file);
    });
  } finally {
    rmSync(file, { force: true });
  }
}
