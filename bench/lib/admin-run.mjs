import { setTimeout as sleep } from 'node:timers/promises';
import { ADMIN_TOKEN } from './contenders.mjs';
import { pace } from './load.mjs';

/** Probes a second, as many as a fleet of replicas gets. */
const RATE = 200;
const SLICE_MS = 1000;

/**
 * Starts a job of the service, and probes `/ready` until it has ended.
 *
 * @param {import('./server-process.mjs').ServerProcess} server
 * @param {string} route takes a POST
 * @returns {Promise<{latencies: number[], tookMs: number, result: any}>} latencies in ms
 */
export async function probeBeside(server, route, begun = () => {}) {
  const run = await begin(server, route);
  begun();
  const startedAt = performance.now();
  /** @type {number[]} */
  const latencies = [];
  for (;;) {
    const { state, result, error, startedAt: from, finishedAt: to } = await read(server, run);
    if (state === 'succeeded') {
      const tookMs = from && to ? Date.parse(to) - Date.parse(from) : performance.now() - startedAt;
      return { latencies, tookMs, result };
    }
    if (state !== 'running') throw new Error(`POST ${route}: ${state} ${JSON.stringify(error)}`);
    latencies.push(...(await probe(server)));
  }
}

/**
 * Probes `/ready` for a second.
 *
 * @param {import('./server-process.mjs').ServerProcess} server
 * @param {number} [seconds]
 */
export async function probe(server, seconds = 1) {
  const load = await pace(server.address, { rate: RATE, durationMs: seconds * SLICE_MS, connections: 8 });
  return load.latencies;
}

/**
 * @param {import('./server-process.mjs').ServerProcess} server
 * @param {string} route
 */
async function begin(server, route) {
  for (;;) {
    const answer = await ask(server, route, 'POST');
    if (answer.status === 202) return String(answer.headers.get('location'));
    const body = await answer.text();
    // During its first start it installs its schema.
    if (!body.includes('NOT_INSTALLED')) throw new Error(`POST ${route}: ${answer.status} ${body}`);
    await sleep(100);
  }
}

/**
 * @param {import('./server-process.mjs').ServerProcess} server
 * @param {string} run its address
 */
async function read(server, run) {
  return await (await ask(server, run, 'GET')).json();
}

/**
 * @param {import('./server-process.mjs').ServerProcess} server
 * @param {string} route
 * @param {'GET' | 'POST'} method
 */
async function ask(server, route, method) {
  return await fetch(new URL(route, server.origin), {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
}
