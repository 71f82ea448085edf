import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ADMIN_TOKEN, pgkeep } from '../lib/contenders.mjs';
import { makeLargeDatabase } from '../lib/large-database.mjs';
import { pace } from '../lib/load.mjs';
import { largest, ms, percentile, seconds } from '../lib/numbers.mjs';
import { ServerProcess } from '../lib/server-process.mjs';

const GIGABYTE = 1_073_741_824;
const DATABASE = 'one_gigabyte';
const RATE = 200;
const SLICE_MS = 1000;

/**
 * `/ready` while the same process makes a backup of 1 GB (`POST /admin/backups`).
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function backupBesideProbes(scene) {
  await makeLargeDatabase(scene, DATABASE, GIGABYTE);
  const delayFile = path.join(scene.directory, 'event-loop-delay.json');
  const settings = {
    DATABASE_URL: scene.url(DATABASE),
    BACKUP_DIR: path.join(scene.directory, 'beside'),
    NODE_OPTIONS: `--import=${new URL('../lib/event-loop-delay.mjs', import.meta.url)}`,
    BENCH_EVENT_LOOP_FILE: delayFile,
  };
  const server = await ServerProcess.start(scene, pgkeep(scene, settings));
  await server.answers(`${server.origin}/live`);
  const before = await pace(server.address, { rate: RATE, durationMs: 5 * SLICE_MS, connections: 8 });
  const run = await begin(server);
  process.kill(server.pid, 'SIGUSR2');
  const startedAt = performance.now();
  /** @type {number[]} */
  const latencies = [];
  while ((await stateOf(server, run)) === 'running') {
    const load = await pace(server.address, { rate: RATE, durationMs: SLICE_MS, connections: 8 });
    latencies.push(...load.latencies);
  }
  const took = performance.now() - startedAt;
  const delay = JSON.parse(readFileSync(delayFile, 'utf8'));
  await server.kill();
  const p99 = percentile(latencies, 0.99);
  return [
    {
      measure: '/ready, p99 while the service backs up 1 GB',
      value: ms(p99),
      against: `before it ${ms(percentile(before.latencies, 0.99))}; the slowest ${ms(largest(latencies))} in ${seconds(took)}`,
      reach: 'at most 20 ms',
      met: p99 <= 20,
    },
    {
      measure: '  its event loop’s delay, p99',
      value: ms(delay.p99),
      against: `the longest ${ms(delay.max)}; 5 ms of it are the measuring’s own`,
    },
  ];
}

/** @param {ServerProcess} server */
async function begin(server) {
  for (;;) {
    const answer = await ask(server, '/admin/backups', 'POST');
    if (answer.status === 202) return String(answer.headers.get('location'));
    const body = await answer.text();
    // During its first start it installs its schema.
    if (!body.includes('NOT_INSTALLED')) throw new Error(`POST /admin/backups: ${answer.status} ${body}`);
    await sleep(100);
  }
}

/**
 * @param {ServerProcess} server
 * @param {string} run its address
 * @returns {Promise<string>}
 */
async function stateOf(server, run) {
  const answer = await ask(server, run, 'GET');
  const { state, error } = await answer.json();
  if (state !== 'running' && state !== 'succeeded')
    throw new Error(`the backup: ${state} ${JSON.stringify(error)}`);
  return state;
}

/**
 * @param {ServerProcess} server
 * @param {string} route
 * @param {'GET' | 'POST'} method
 */
async function ask(server, route, method) {
  return await fetch(new URL(route, server.origin), {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
}
