import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chmodSync, constants as access, copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from './project.mjs';
import { forwardSignals } from './run.mjs';
import { SPEC_TIMES_FILE, readSpecTimes, summary } from './spec-times.mjs';

/** A file system in memory, if there is one: a cluster is a copy of 1,700 files, a second of CPU time on a disk. */
const MEMORY = '/dev/shm';
const CLUSTERS_BYTES = 4 * 2 ** 30;

/** @param {string} directory */
function hasRoom(directory) {
  try {
    accessSync(directory, access.W_OK);
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize > CLUSTERS_BYTES;
  } catch {
    return false;
  }
}

/** @param {string} parent */
function runDirectory(parent) {
  const directory = mkdtempSync(join(parent, 'pgkeep-run-'));
  // PostgreSQL's unprivileged user must be able to pass through, where the tests run as root.
  chmodSync(directory, 0o711);
  return directory;
}

/**
 * Runs Jest. Everything that the tests write is in one directory: removed after success, kept after a
 * failure. Their clusters are in memory where there is enough, and always removed.
 *
 * @param {readonly string[]} args Jest's
 * @param {NodeJS.ProcessEnv} [env] on top of this process's own
 * @param {{recordTimes?: boolean, program?: string}} [options] recordTimes: record the cost of every spec, for `npm
 * run test:budget`; program: the Node.js that runs the tests, by default this one
 * @returns {Promise<number>} the exit code
 */
export async function jest(args, env = {}, { recordTimes = false, program = process.execPath } = {}) {
  const isEverySpec = args.every((argument) => argument.startsWith('-'));
  const directory = runDirectory(tmpdir());
  const clusters = runDirectory(hasRoom(MEMORY) ? MEMORY : directory);

  const times = join(directory, 'spec-times.jsonl');
  const flags = ['--disable-warning=ExperimentalWarning', '--experimental-vm-modules'];
  const child = spawn(program, [...flags, 'node_modules/jest/bin/jest.js', ...args], {
    cwd: root,
    env: {
      ...process.env,
      ...env,
      TMPDIR: directory,
      PGKEEP_TEST_CLUSTERS: clusters,
      PGKEEP_SPEC_TIMES: times,
    },
    stdio: 'inherit',
  });
  forwardSignals(child);
  const [code, signal] = await once(child, 'close');
  const exitCode = code ?? 128 + constants.signals[signal];
  if (isEverySpec && existsSync(times)) console.error(`\n${summary(readSpecTimes(times))}`);
  if (isEverySpec && existsSync(times) && recordTimes) {
    mkdirSync(dirname(SPEC_TIMES_FILE), { recursive: true });
    copyFileSync(times, SPEC_TIMES_FILE);
  }
  rmSync(clusters, { recursive: true, force: true });
  if (exitCode === 0) rmSync(directory, { recursive: true, force: true });
  else console.error(`What the tests wrote is kept in ${directory}`);
  return exitCode;
}
