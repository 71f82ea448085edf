import { readFileSync } from 'node:fs';
import path from 'node:path';
import { probe, probeBeside } from '../lib/admin-run.mjs';
import { pgkeep } from '../lib/contenders.mjs';
import { makeLargeDatabase } from '../lib/large-database.mjs';
import { largest, ms, percentile, seconds } from '../lib/numbers.mjs';
import { ServerProcess } from '../lib/server-process.mjs';

const GIGABYTE = 1_073_741_824;
const DATABASE = 'one_gigabyte';

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
  const before = await probe(server, 5);
  const { latencies, tookMs } = await probeBeside(server, '/admin/backups', () =>
    process.kill(server.pid, 'SIGUSR2'),
  );
  const delay = JSON.parse(readFileSync(delayFile, 'utf8'));
  await server.kill();
  const p99 = percentile(latencies, 0.99);
  return [
    {
      measure: '/ready, p99 while the service backs up 1 GB',
      value: ms(p99),
      against: `before it ${ms(percentile(before, 0.99))}; the slowest ${ms(largest(latencies))} in ${seconds(tookMs)}`,
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
