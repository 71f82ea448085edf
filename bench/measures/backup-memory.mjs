import { rmSync } from 'node:fs';
import path from 'node:path';
import { makeLargeDatabase } from '../lib/large-database.mjs';
import { mb } from '../lib/numbers.mjs';
import { timePgkeep } from '../lib/timed-program.mjs';

const GIGABYTE = 1_073_741_824;
const SIZES = { small: 0.2 * GIGABYTE, large: 2 * GIGABYTE };
const MOST_BYTES = 200 * 1_048_576;
/** The difference between two runs of one size, within which both sizes count as the same. */
const SAME = 1.15;

/**
 * Peak resident memory of `pgkeep backup` at two sizes of database.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function backupMemory(scene) {
  const peaks = [];
  for (const [size, bytes] of Object.entries(SIZES)) {
    await makeLargeDatabase(scene, size, bytes);
    const { peakBytes } = await timePgkeep(scene, size, ['backup']);
    peaks.push(peakBytes);
    rmSync(path.join(scene.directory, 'backups'), { recursive: true, force: true });
    await scene.execute('postgres', [`DROP DATABASE ${size}`]);
    scene.databases.delete(size);
  }
  const [small, large] = peaks;
  return [
    {
      measure: 'pgkeep backup, peak memory at 2 GB',
      value: mb(large),
      against: `at 0.2 GB ${mb(small)}`,
      ratio: large / small,
      reach: 'at most 200 MB, the same at both',
      met: Math.max(small, large) <= MOST_BYTES && large / small <= SAME,
    },
  ];
}
