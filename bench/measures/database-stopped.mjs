import { pgkeep } from '../lib/contenders.mjs';
import { whileFrozen } from '../lib/frozen-postgres.mjs';
import { pace } from '../lib/load.mjs';
import { largest, ms, percentile } from '../lib/numbers.mjs';
import { ServerProcess } from '../lib/server-process.mjs';

const PROBES = { rate: 100, connections: 8 };
/** Two evaluations begin in this time, and run into their deadline. */
const STOPPED_MS = 11_000;
const USUAL_MS = 6000;
const FRESH_MS = 2000;
/** The p99 of two equal runs differs by less than this. */
const NOISE_MS = 1;

/**
 * PostgreSQL hangs: probes must still be answered, by a running instance and by one that is just starting.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function databaseStopped(scene) {
  const server = await ServerProcess.start(scene, pgkeep(scene));
  await server.answers();
  await probe(server, USUAL_MS / 3);
  const usual = await probe(server, USUAL_MS);
  const { stopped, fresh } = await whileFrozen(scene, async () => ({
    stopped: await probe(server, STOPPED_MS),
    fresh: await probeFreshInstance(scene),
  }));
  if (!stopped.readyStatuses.has(503)) throw new Error('/ready did not notice that PostgreSQL is stopped');
  await server.answers();
  await server.kill();
  const slowest = Math.max(stopped.readySlowest, fresh.readySlowest);
  return [
    {
      measure: 'PostgreSQL stopped: slowest /ready',
      value: ms(slowest),
      against: `running ${ms(usual.readySlowest)}; stopped ${ms(stopped.readySlowest)}, just started ${ms(fresh.readySlowest)}`,
      reach: 'within 1 s',
      met: slowest <= 1000,
    },
    {
      measure: 'PostgreSQL stopped: /live, p99',
      value: ms(stopped.liveP99),
      against: `running ${ms(usual.liveP99)}`,
      ratio: stopped.liveP99 / usual.liveP99,
      reach: `as usual (+${NOISE_MS} ms)`,
      met: stopped.liveP99 <= usual.liveP99 + NOISE_MS,
    },
    {
      measure: '  slowest /live',
      value: ms(stopped.liveSlowest),
      against: `running ${ms(usual.liveSlowest)}; just started ${ms(fresh.liveSlowest)}`,
    },
  ];
}

/**
 * Probes both routes side by side.
 *
 * @param {ServerProcess} server
 * @param {number} durationMs
 */
async function probe(server, durationMs) {
  const [ready, live] = await Promise.all([
    pace(server.address, { ...PROBES, durationMs }),
    pace(`${server.origin}/live`, { ...PROBES, durationMs }),
  ]);
  return {
    readySlowest: largest(ready.latencies),
    readyStatuses: ready.statuses,
    liveSlowest: largest(live.latencies),
    liveP99: percentile(live.latencies, 0.99),
  };
}

/**
 * Starts an instance without a verdict: its first probes wait for one, and must give up in time.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 */
async function probeFreshInstance(scene) {
  const server = await ServerProcess.start(scene, pgkeep(scene));
  await server.answers(`${server.origin}/live`);
  const result = await probe(server, FRESH_MS);
  await server.kill();
  return result;
}
