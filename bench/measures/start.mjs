import { setTimeout as sleep } from 'node:timers/promises';
import { bare, pgkeep, stock } from '../lib/contenders.mjs';
import { mb, median, ms } from '../lib/numbers.mjs';
import { cpuSeconds, residentBytes } from '../lib/proc.mjs';
import { ServerProcess } from '../lib/server-process.mjs';

const ROUNDS = 9;
/** The time after which the background work of a start is done. */
const SETTLE_MS = 700;

/**
 * The time from the start of the process to its first 200, with the database up; and its memory then.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @param {{body: string}} context
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function start(scene, { body }) {
  const contenders = [pgkeep(scene), stock(scene), bare(body)];
  /** @type {{ms: number[], cpuMs: number[], bytes: number[]}[]} */
  const samples = contenders.map(() => ({ ms: [], cpuMs: [], bytes: [] }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      const server = await ServerProcess.start(scene, contender);
      samples[index].ms.push(await server.answers());
      samples[index].cpuMs.push(cpuSeconds(server.pid) * 1000);
      await sleep(SETTLE_MS);
      samples[index].bytes.push(residentBytes(server.pid));
      await server.kill();
    }
  }
  const [own, theirs, least] = samples.map((sample) => ({
    ms: median(sample.ms),
    cpuMs: median(sample.cpuMs),
    bytes: median(sample.bytes),
  }));
  const time = own.ms / theirs.ms;
  const memory = own.bytes / theirs.bytes;
  return [
    {
      measure: `start to first 200 (median of ${ROUNDS})`,
      value: ms(own.ms),
      against: `stock app ${ms(theirs.ms)}; bare ${ms(least.ms)}`,
      ratio: time,
      reach: 'at most 1.3',
      met: time <= 1.3,
    },
    {
      measure: '  CPU time until then',
      value: ms(own.cpuMs),
      against: `stock app ${ms(theirs.cpuMs)}; bare ${ms(least.cpuMs)}`,
      ratio: own.cpuMs / theirs.cpuMs,
    },
    {
      measure: 'resident memory, started',
      value: mb(own.bytes),
      against: `stock app ${mb(theirs.bytes)}; bare ${mb(least.bytes)}`,
      ratio: memory,
      reach: 'at most 1.25',
      met: memory <= 1.25,
    },
  ];
}
