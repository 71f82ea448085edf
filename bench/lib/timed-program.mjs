import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanUpAfterExit } from './cleanup-command.mjs';
import { cpuSecondsWithChildren } from './proc.mjs';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** `cli.js` of another build to measure in the same run, such as the one before a change. Defaults to none. */
export const EARLIER_CLI = process.env.BENCH_EARLIER
  ? path.resolve(process.env.BENCH_EARLIER, 'dist/cli.js')
  : undefined;
const MEMORY_POLL_MS = 20;

/**
 * @typedef {object} Timed the cost of one program, with all processes that it started
 * @property {number} wallMs
 * @property {number} cpuSeconds its own, its children's, and the server's at the same time
 * @property {number} peakBytes the peak resident memory of the program itself
 * @property {string} stdout
 */

/**
 * Runs a shell pipeline, as people do for backups by hand; PostgreSQL's programs are in its PATH.
 *
 * @param {import('./scene.mjs').Scene} scene
 * @param {string} database
 * @param {string} pipeline
 */
export async function timeShell(scene, database, pipeline) {
  return await timed(scene, '/bin/bash', ['-c', `set -euo pipefail; ${pipeline}`], {
    PATH: `${scene.binaries.bin}:${process.env.PATH}`,
    ...scene.libpq(database),
  });
}

/**
 * Runs `pgkeep ARGV --json`.
 *
 * @param {import('./scene.mjs').Scene} scene
 * @param {string} database
 * @param {readonly string[]} argv
 * @param {Readonly<Record<string, string>>} [settings]
 * @param {string} [cli] another build's
 */
export async function timePgkeep(scene, database, argv, settings = {}, cli = CLI) {
  return await timed(scene, process.execPath, [cli, ...argv, '--json'], {
    PATH: process.env.PATH,
    NODE_ENV: 'test',
    DATABASE_URL: scene.url(database),
    BACKUP_DIR: path.join(scene.directory, 'backups'),
    ...settings,
  });
}

/**
 * @param {import('./scene.mjs').Scene} scene
 * @param {string} file
 * @param {readonly string[]} argv
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {Promise<Timed>}
 */
async function timed(scene, file, argv, env) {
  const postmaster = scene.cluster.postmasterPid;
  // A parent learns the CPU time of a process only after its end: so of the server's backends and of these.
  const cpu = () => cpuSecondsWithChildren(postmaster) + cpuSecondsWithChildren(process.pid);
  const own = process.cpuUsage();
  const before = cpu();
  const startedAt = performance.now();
  const child = spawn(file, argv, { env, cwd: scene.directory, stdio: ['ignore', 'pipe', 'pipe'] });
  const revoke = cleanUpAfterExit('kill', ['-KILL', child.pid ?? 0]);
  let [stdout, stderr, peakBytes] = ['', '', 0];
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const watching = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakOf(child.pid ?? 0));
  }, MEMORY_POLL_MS);
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const wallMs = performance.now() - startedAt;
  clearInterval(watching);
  revoke();
  if (code !== 0)
    throw new Error(`${file} ${argv.join(' ')} ended with exit code ${code}:\n${stdout}${stderr}`);
  const { user, system } = process.cpuUsage(own);
  return { wallMs, cpuSeconds: cpu() - before - (user + system) / 1e6, peakBytes, stdout };
}

/** @param {number} pid */
function peakOf(pid) {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    // It ended between two readings.
    return 0;
  }
}
