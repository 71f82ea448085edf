import { readFileSync } from 'node:fs';
import path from 'node:path';
import { probe, probeBeside } from '../lib/admin-run.mjs';
import { pgkeep } from '../lib/contenders.mjs';
import { makeLargeDatabase } from '../lib/large-database.mjs';
import { largest, ms, percentile, seconds } from '../lib/numbers.mjs';
import { ServerProcess } from '../lib/server-process.mjs';

const GIGABYTE = 1_073_741_824;
const DATABASE = 'one_gigabyte';

/** `dist/main.js` of an earlier build, to compare with. */
const EARLIER_MAIN = process.env.BENCH_EARLIER && path.resolve(process.env.BENCH_EARLIER, 'dist/main.js');

/**
 * `/ready` while the service makes a backup of 1 GB (`POST /admin/backups`).
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function backupBesideProbes(scene) {
  await makeLargeDatabase(scene, DATABASE, GIGABYTE);
  const own = await measured(scene);
  const earlier = EARLIER_MAIN === undefined ? undefined : await measured(scene, EARLIER_MAIN);
  return [
    {
      measure: '/ready, p99 while the service backs up 1 GB',
      value: ms(own.p99),
      against: `before it ${ms(own.before)}; the slowest ${ms(own.slowest)} in ${seconds(own.tookMs)}`,
      reach: 'at most 10 ms',
      met: own.p99 <= 10,
    },
    {
      measure: '  its event loop’s delay, p99',
      value: ms(own.delay.p99),
      against: `the longest ${ms(own.delay.max)}; 5 ms of it are the measuring’s own`,
    },
    ...(earlier
      ? [
          {
            measure: '  of BENCH_EARLIER',
            value: ms(earlier.p99),
            against: `before it ${ms(earlier.before)}; the slowest ${ms(earlier.slowest)} in ${seconds(earlier.tookMs)}; event loop ${ms(earlier.delay.p99)}`,
            ratio: own.p99 / earlier.p99,
          },
        ]
      : []),
  ];
}

/**
 * @param {import('../lib/scene.mjs').Scene} scene
 * @param {string} [script] defaults to this build
 */
async function measured(scene, script) {
  const delayFile = path.join(scene.directory, 'event-loop-delay.json');
  const contender = pgkeep(scene, {
    DATABASE_URL: scene.url(DATABASE),
    BACKUP_DIR: path.join(scene.directory, 'beside'),
    NODE_OPTIONS: `--import=${new URL('../lib/event-loop-delay.mjs', import.meta.url)}`,
    BENCH_EVENT_LOOP_FILE: delayFile,
  });
  const server = await ServerProcess.start(scene, { ...contender, ...(script && { script }) });
  await server.answers(`${server.origin}/live`);
  const before = await probe(server, 5);
  const { latencies, tookMs } = await probeBeside(server, '/admin/backups', () =>
    process.kill(server.pid, 'SIGUSR2'),
  );
  const delay = JSON.parse(readFileSync(delayFile, 'utf8'));
  await server.kill();
  return {
    p99: percentile(latencies, 0.99),
    before: percentile(before, 0.99),
    slowest: largest(latencies),
    tookMs,
    delay,
  };
}
