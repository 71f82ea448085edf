import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { startBucket } from '../lib/bucket.mjs';
import { makeLargeDatabase } from '../lib/large-database.mjs';
import { mb, median, seconds } from '../lib/numbers.mjs';
import { EARLIER_CLI, timePgkeep, timeShell } from '../lib/timed-program.mjs';

const GIGABYTE = 1_073_741_824;
const DATABASE = 'one_gigabyte';
const ROUNDS = 2;

/**
 * One backup of a database of 1 GB: by `pg_dump | gzip`, by pg_dump's own compression, and by pgkeep, with its counts,
 * hashes and verification of every stored byte.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function backup(scene) {
  await makeLargeDatabase(scene, DATABASE, GIGABYTE);
  const contenders = await contendersOf(scene);
  /** @type {Map<string, Result>} */
  const results = new Map();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, run] of Object.entries(contenders)) {
      const directory = path.join(scene.directory, 'backups');
      rmSync(directory, { recursive: true, force: true });
      const { wallMs, cpuSeconds } = await run();
      const result = results.get(name) ?? { wallMs: [], cpuSeconds: [], bytes: 0 };
      result.wallMs.push(wallMs);
      result.cpuSeconds.push(cpuSeconds);
      result.bytes = largestFile(directory) || largestFile(scene.directory);
      results.set(name, result);
      for (const file of ['seed.sql.gz', 'custom.dump'])
        rmSync(path.join(scene.directory, file), { force: true });
    }
  }
  const seed = median(results.get('gzip')?.wallMs ?? []);
  const plain = median(results.get('pgkeep')?.wallMs ?? []);
  const rowOf = (/** @type {string} */ name, /** @type {Result} */ { wallMs, cpuSeconds, bytes }) => {
    const wall = median(wallMs);
    const against = `CPU ${seconds(median(cpuSeconds) * 1000)}, ${mb(bytes)}; pg_dump | gzip ${seconds(seed)}`;
    const row = { measure: `${TITLES[name]}, 1 GB`, value: seconds(wall), against };
    if (name === 'pgkeep') return withReach(row, wall / seed, 0.6);
    if (name === 'encrypted') return withReach(row, wall / plain, 1.15);
    return { ...row, ratio: wall / seed };
  };
  return [...results].map(([name, result]) => rowOf(name, result));
}

/** @typedef {{wallMs: number[], cpuSeconds: number[], bytes: number}} Result */

/** @type {Record<string, string>} */
const TITLES = {
  gzip: 'pg_dump | gzip',
  custom: 'pg_dump -Fc',
  fast: 'pg_dump -Fc -Z1',
  earlier: 'pgkeep backup of BENCH_EARLIER',
  pgkeep: 'pgkeep backup',
  encrypted: 'pgkeep backup, encrypted (ratio: by the plain one)',
  offSite: 'pgkeep backup, and to S3 on this machine',
};

/**
 * @param {import('../lib/table.mjs').Row} row
 * @param {number} ratio
 * @param {number} most
 */
function withReach(row, ratio, most) {
  return { ...row, ratio, reach: `at most ${most}`, met: ratio <= most };
}

/** @param {import('../lib/scene.mjs').Scene} scene */
async function contendersOf(scene) {
  const { generateX25519Identity, identityToRecipient } = await import('age-encryption');
  const identity = await generateX25519Identity();
  const encryption = {
    BACKUP_ENCRYPTION_ENABLED: 'true',
    BACKUP_ENCRYPTION_KEY: await identityToRecipient(identity),
    // So that the verification decrypts as well.
    BACKUP_ENCRYPTION_IDENTITY: identity,
  };
  const bucket = await startBucket(scene);
  return {
    gzip: () => timeShell(scene, DATABASE, 'pg_dump | gzip > seed.sql.gz'),
    custom: () => timeShell(scene, DATABASE, 'pg_dump -Fc -f custom.dump'),
    fast: () => timeShell(scene, DATABASE, 'pg_dump -Fc -Z1 -f custom.dump'),
    ...(EARLIER_CLI && { earlier: () => timePgkeep(scene, DATABASE, ['backup'], {}, EARLIER_CLI) }),
    pgkeep: () => timePgkeep(scene, DATABASE, ['backup']),
    encrypted: () => timePgkeep(scene, DATABASE, ['backup'], encryption),
    ...(bucket && { offSite: () => timePgkeep(scene, DATABASE, ['backup'], bucket) }),
  };
}

/** @param {string} directory */
function largestFile(directory) {
  if (!existsSync(directory)) return 0;
  const files = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile());
  return Math.max(0, ...files.map(({ name }) => statSync(path.join(directory, name)).size));
}
