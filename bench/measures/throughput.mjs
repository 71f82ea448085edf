import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { bare, pgkeep, stock } from '../lib/contenders.mjs';
import { requireAllOk, saturate } from '../lib/load.mjs';
import { mb, median, ms, percentile, rounded } from '../lib/numbers.mjs';
import { cpuSeconds, residentBytes } from '../lib/proc.mjs';
import { ServerProcess } from '../lib/server-process.mjs';

const CONNECTIONS = 32;
const WARM_UP_MS = 3000;
const ROUNDS = 12;
const ROUND_MS = 1500;
const AUTOCANNON_ROUNDS = 3;
const AUTOCANNON_S = 2;

/**
 * One contender's rounds.
 *
 * @typedef {object} Samples
 * @property {number[]} rate answers a second
 * @property {number[]} perCpu answers for each second of the server's CPU time, which is distorted less than the rate
 * if client, server and PostgreSQL share few cores
 * @property {number[]} busy the server's CPU time divided by the elapsed time: at 1 it is saturated
 * @property {number[]} p50
 * @property {number[]} p99
 * @property {number[]} autocannon answers a second, as counted by autocannon
 */

/**
 * `/ready` under as much load as 32 connections make, against a constant answer and against the stock route.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @param {{body: string}} context
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function throughput(scene, { body }) {
  const servers = [];
  for (const contender of [pgkeep(scene), bare(body), stock(scene)]) {
    const server = await ServerProcess.start(scene, contender);
    await server.answers();
    await saturate(server.address, { connections: CONNECTIONS, durationMs: WARM_UP_MS });
    servers.push({ server, samples: emptySamples() });
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { server, samples } of servers) await addRound(server, samples);
  }
  for (let round = 0; round < AUTOCANNON_ROUNDS; round += 1) {
    for (const { server, samples } of servers) samples.autocannon.push(await askedByAutocannon(server));
  }
  // Garbage is collected, and memory returned, while there are no requests.
  await sleep(1000);
  const [own, least, theirs] = servers.map(({ server, samples }) => ({
    ...summary(samples),
    bytes: residentBytes(server.pid),
  }));
  for (const { server } of servers) await server.kill();
  return rows(own, least, theirs);
}

/** @returns {Samples} */
const emptySamples = () => ({ rate: [], perCpu: [], busy: [], p50: [], p99: [], autocannon: [] });

/**
 * @param {ServerProcess} server
 * @param {Samples} samples
 */
async function addRound(server, samples) {
  const cpuBefore = cpuSeconds(server.pid);
  const load = await saturate(server.address, { connections: CONNECTIONS, durationMs: ROUND_MS });
  const cpu = cpuSeconds(server.pid) - cpuBefore;
  requireAllOk(load, server.name);
  const answers = load.latencies.length;
  samples.rate.push(load.requestsPerSecond);
  samples.perCpu.push(answers / cpu);
  samples.busy.push((cpu * load.requestsPerSecond) / answers);
  samples.p50.push(percentile(load.latencies, 0.5));
  samples.p99.push(percentile(load.latencies, 0.99));
}

/** @param {ServerProcess} server */
async function askedByAutocannon({ address, name }) {
  const result = await autocannon({ url: address, connections: CONNECTIONS, duration: AUTOCANNON_S });
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${name} did not answer autocannon every time`);
  return result.requests.average;
}

/** @param {Samples} samples */
const summary = (samples) => ({
  rate: median(samples.rate),
  perCpu: median(samples.perCpu),
  busy: median(samples.busy),
  p50: median(samples.p50),
  p99: median(samples.p99),
  autocannon: median(samples.autocannon),
});

/**
 * @typedef {ReturnType<typeof summary> & {bytes: number}} Summary
 * @param {Summary} own
 * @param {Summary} least
 * @param {Summary} theirs
 * @returns {import('../lib/table.mjs').Row[]}
 */
function rows(own, least, theirs) {
  const memory = own.bytes / theirs.bytes;
  return [
    ...rateRows(`/ready, requests/s, ${CONNECTIONS} connections`, 'rate', own, least, theirs),
    ...rateRows('  per second of server CPU', 'perCpu', own, least, theirs),
    ...rateRows('  as autocannon counts', 'autocannon', own, least, theirs),
    {
      measure: '  server busy',
      value: busy(own),
      against: `bare node:http ${busy(least)}; stock app ${busy(theirs)}`,
    },
    {
      measure: '  p50 latency',
      value: ms(own.p50),
      against: `bare node:http ${ms(least.p50)}; stock app ${ms(theirs.p50)}`,
    },
    {
      measure: '  p99 latency',
      value: ms(own.p99),
      against: `bare node:http ${ms(least.p99)}; stock app ${ms(theirs.p99)}`,
    },
    {
      measure: 'resident memory, after the load',
      value: mb(own.bytes),
      against: `stock app ${mb(theirs.bytes)}; bare ${mb(least.bytes)}`,
      ratio: memory,
      reach: 'at most 1.25',
      met: memory <= 1.25,
    },
  ];
}

/** @param {Summary} of */
const busy = (of) => `${Math.round(of.busy * 100)} %`;

/**
 * The target is judged by the rate; the other two show how reliable it is.
 *
 * @param {string} measure
 * @param {'rate' | 'perCpu' | 'autocannon'} key
 * @param {Summary} own
 * @param {Summary} least
 * @param {Summary} theirs
 * @returns {import('../lib/table.mjs').Row[]}
 */
function rateRows(measure, key, own, least, theirs) {
  const value = rounded(own[key]);
  const [byLeast, byTheirs] = [own[key] / least[key], own[key] / theirs[key]];
  const isJudged = key === 'rate';
  return [
    {
      measure,
      value,
      against: `bare node:http ${rounded(least[key])}`,
      ratio: byLeast,
      ...(isJudged && { reach: 'at least 0.7', met: byLeast >= 0.7 }),
    },
    {
      measure: '',
      value,
      against: `stock app ${rounded(theirs[key])}`,
      ratio: byTheirs,
      ...(isJudged && { reach: 'at least 8', met: byTheirs >= 8 }),
    },
  ];
}
