import { rmSync } from 'node:fs';
import path from 'node:path';
import { makeLargeDatabase } from '../lib/large-database.mjs';
import { median, seconds } from '../lib/numbers.mjs';
import { EARLIER_CLI, timePgkeep, timeShell } from '../lib/timed-program.mjs';

const GIGABYTE = 1_073_741_824;
const DATABASE = 'one_gigabyte';
const ROUNDS = 2;

/** The least that a comparison of contents has to read: one scan that counts and hashes. */
const SCAN = `psql -d scratch -XAtqc "SELECT count(*), sum(hashtextextended(e::text, 0)) FROM events e"`;

/**
 * A restore test of 1 GB into a fresh database of the same server, against `pg_restore -j2` into one, and the one scan
 * that comparing contents takes.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function restoreTest(scene) {
  await makeLargeDatabase(scene, DATABASE, GIGABYTE);
  rmSync(path.join(scene.directory, 'backups'), { recursive: true, force: true });
  const { stdout } = await timePgkeep(scene, DATABASE, ['backup']);
  const archive = JSON.parse(stdout).archive;
  const [own, earlier, restore, scan] = [[], [], [], []].map(() => /** @type {number[]} */ ([]));
  const settings = { TEST_DATABASE_URL: scene.url('postgres') };
  const argv = ['restore', 'test'];
  for (let round = 0; round < ROUNDS; round += 1) {
    await scene.execute('postgres', ['CREATE DATABASE scratch TEMPLATE template0']);
    restore.push(
      (await timeShell(scene, DATABASE, `pg_restore --exit-on-error -j2 -d scratch ${archive}`)).wallMs,
    );
    scan.push((await timeShell(scene, DATABASE, SCAN)).wallMs);
    await scene.execute('postgres', ['DROP DATABASE scratch']);
    own.push((await timePgkeep(scene, DATABASE, argv, settings)).wallMs);
    if (EARLIER_CLI) earlier.push((await timePgkeep(scene, DATABASE, argv, settings, EARLIER_CLI)).wallMs);
  }
  const least = median(restore) + median(scan);
  return [
    {
      measure: 'pgkeep restore test, 1 GB',
      value: seconds(median(own)),
      against: `pg_restore -j2 ${seconds(median(restore))} and one scan ${seconds(median(scan))}`,
      ratio: median(own) / (median(restore) * 1.3 + median(scan)),
      reach: 'at most 1.3 × pg_restore + the scan (1.00)',
      met: median(own) <= median(restore) * 1.3 + median(scan),
    },
    { measure: '  by pg_restore -j2 and the scan', value: '', ratio: median(own) / least },
    ...(EARLIER_CLI
      ? [
          {
            measure: '  of BENCH_EARLIER (ratio: this one by it)',
            value: seconds(median(earlier)),
            ratio: median(own) / median(earlier),
          },
        ]
      : []),
  ];
}
