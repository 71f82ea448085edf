import { bare, pgkeep, stock } from '../lib/contenders.mjs';
import { pace, requireAllOk } from '../lib/load.mjs';
import { largest, median, ms, percentile } from '../lib/numbers.mjs';
import { ServerProcess } from '../lib/server-process.mjs';

const RATE = 1000;
const CONNECTIONS = 32;
const WARM_UP_MS = 2000;
const ROUNDS = 5;
const ROUND_MS = 2000;

/**
 * Latency under a steady 1,000 probes a second.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @param {{body: string}} context
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function steadyProbes(scene, { body }) {
  const servers = [];
  for (const contender of [pgkeep(scene), bare(body), stock(scene)]) {
    const server = await ServerProcess.start(scene, contender);
    await server.answers();
    await pace(server.address, { rate: RATE, durationMs: WARM_UP_MS, connections: CONNECTIONS });
    servers.push({ server, p99: emptySamples(), largest: emptySamples() });
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { server, ...samples } of servers) {
      const options = { rate: RATE, durationMs: ROUND_MS, connections: CONNECTIONS };
      const load = await pace(server.address, options);
      requireAllOk(load, server.name);
      samples.p99.push(percentile(load.latencies, 0.99));
      samples.largest.push(largest(load.latencies));
    }
  }
  for (const { server } of servers) await server.kill();
  const [own, least, theirs] = servers.map(({ p99, largest: slowest }) => ({
    p99: median(p99),
    slowest: median(slowest),
  }));
  return [
    {
      measure: '/ready, p99 under 1,000 probes/s',
      value: ms(own.p99),
      against: `bare node:http ${ms(least.p99)}; stock app ${ms(theirs.p99)}`,
      ratio: own.p99 / theirs.p99,
      reach: 'at most 5 ms',
      met: own.p99 <= 5,
    },
    {
      measure: '  slowest',
      value: ms(own.slowest),
      against: `bare node:http ${ms(least.slowest)}; stock app ${ms(theirs.slowest)}`,
    },
  ];
}

/** @returns {number[]} */
const emptySamples = () => [];
