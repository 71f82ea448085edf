import { setTimeout as sleep } from 'node:timers/promises';
import { pgkeep } from '../lib/contenders.mjs';
import { pace, requireAllOk } from '../lib/load.mjs';
import { median, ms, percentile } from '../lib/numbers.mjs';
import { cpuSeconds, residentBytes } from '../lib/proc.mjs';
import { ServerProcess } from '../lib/server-process.mjs';
import { statementsDuring } from '../lib/statement-log.mjs';

const TOKEN = 'bench-metrics-token-of-more-than-32-characters';
const SCRAPES = 500;
const ROUNDS = 7;
const RATE = 200;
const ROUND_MS = 3000;
/** How often `/metrics` is scraped beside `/ready`: never, as a busy Prometheus does, as a wrong configuration does. */
const PERIODS_MS = [undefined, 1000, 100];

/**
 * `/metrics`: what a scrape costs, and its effect on `/ready`.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function metrics(scene) {
  const settings = {
    METRICS_TOKEN: TOKEN,
    DB_MONITORING_ENABLED: 'true',
    DB_MONITORING_INTERVAL_SECONDS: '5',
  };
  const server = await ServerProcess.start(scene, pgkeep(scene, settings));
  await server.answers();
  while (!(await scrape(server)).text.includes('pgkeep_connections_limit ')) await sleep(100);
  const one = await scrapesOf(server);
  const beside = await probesBeside(server);
  await server.kill();
  const [alone, seldom, often] = PERIODS_MS.map((_, index) => median(beside[index]));
  const first = await firstScrape(scene);
  const statements = await statementsOf(scene);
  return [
    {
      measure: '/metrics, p99 of a scrape',
      value: ms(one.p99),
      against: `/live ${ms(one.least)}; the median ${ms(one.median)}; ${ms(one.cpuMs)} of CPU; ${one.bytes} bytes`,
      ratio: one.p99 / one.least,
      reach: 'at most 20 ms',
      met: one.p99 <= 20,
    },
    {
      measure: '  series',
      value: String(one.series),
      reach: 'at most 100',
      met: one.series <= 100,
    },
    {
      measure: `  statements of ${SCRAPES} scrapes`,
      value: String(statements),
      reach: 'none',
      met: statements === 0,
    },
    {
      measure: '  the first scrape, which loads the module',
      value: ms(first.tookMs),
      against: `${(first.grewBytes / 1_048_576).toFixed(1)} MB more memory, without monitoring`,
    },
    {
      measure: '/ready, p99 while /metrics is scraped each second',
      value: ms(seldom),
      against: `without ${ms(alone)}; scraped each 100 ms ${ms(often)}`,
      ratio: seldom / alone,
      reach: 'as without',
      met: seldom <= alone * 1.05 + 0.2,
    },
  ];
}

/** @param {ServerProcess} server */
async function scrape(server) {
  const startedAt = performance.now();
  const answer = await fetch(`${server.origin}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`/metrics answered ${answer.status}`);
  return { text, tookMs: performance.now() - startedAt };
}

/**
 * The time of `/live`, which does nothing.
 *
 * @param {ServerProcess} server
 */
async function liveMs({ origin }) {
  const startedAt = performance.now();
  await (await fetch(`${origin}/live`)).text();
  return performance.now() - startedAt;
}

/** @param {ServerProcess} server */
async function scrapesOf(server) {
  const samples = [];
  const least = [];
  const cpuBefore = cpuSeconds(server.pid);
  for (let count = 0; count < SCRAPES; count += 1) samples.push((await scrape(server)).tookMs);
  const cpuMs = ((cpuSeconds(server.pid) - cpuBefore) * 1000) / SCRAPES;
  for (let count = 0; count < SCRAPES; count += 1) least.push(await liveMs(server));
  const { text } = await scrape(server);
  return {
    median: median(samples),
    p99: percentile(samples, 0.99),
    least: percentile(least, 0.99),
    cpuMs,
    series: text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length,
    bytes: text.length,
  };
}

/**
 * The p99 of `/ready` in each round, for each of `PERIODS_MS`; the rounds alternate.
 *
 * @param {ServerProcess} server
 */
async function probesBeside(server) {
  /** @type {number[][]} */
  const p99 = PERIODS_MS.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, periodMs] of PERIODS_MS.entries()) {
      const scraper = periodMs === undefined ? undefined : setInterval(() => void scrape(server), periodMs);
      const load = await pace(server.address, { rate: RATE, durationMs: ROUND_MS, connections: 8 });
      clearInterval(scraper);
      requireAllOk(load, server.name);
      p99[index].push(percentile(load.latencies, 0.99));
    }
  }
  return p99;
}

/** @param {import('../lib/scene.mjs').Scene} scene */
async function firstScrape(scene) {
  const server = await ServerProcess.start(scene, pgkeep(scene, { METRICS_TOKEN: TOKEN }));
  await server.answers();
  await sleep(2000);
  const before = residentBytes(server.pid);
  const { tookMs } = await scrape(server);
  const grewBytes = residentBytes(server.pid) - before;
  await server.kill();
  return { tookMs, grewBytes };
}

/**
 * The statements of scrapes alone: the checks are evaluated once, at the start.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 */
async function statementsOf(scene) {
  const seldom = { METRICS_TOKEN: TOKEN, READINESS_REFRESH_MS: '3600000', BACKUP_ENABLED: 'false' };
  const server = await ServerProcess.start(scene, pgkeep(scene, seldom));
  await server.answers(`${server.origin}/live`);
  await sleep(3000);
  const statements = await statementsDuring(scene, async () => {
    for (let count = 0; count < SCRAPES; count += 1) await scrape(server);
  });
  await server.kill();
  return statements.length;
}
