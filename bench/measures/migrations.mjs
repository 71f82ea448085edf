import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { median, ms, percentile } from '../lib/numbers.mjs';

const DATABASE = 'thousand_migrations';
const MIGRATIONS = 1000;
/** Text that gives a script a typical length. */
const COLUMNS = '    "column" TEXT NOT NULL,\n'.repeat(12);
const SCRIPT = fileURLToPath(new URL('../migration-check.mjs', import.meta.url));

/** The history table as Prisma Migrate creates it. */
const MAKE_HISTORY = `
  CREATE TABLE _prisma_migrations (
    id varchar(36) PRIMARY KEY NOT NULL,
    checksum varchar(64) NOT NULL,
    finished_at timestamptz,
    migration_name varchar(255) NOT NULL,
    logs text,
    rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    applied_steps_count integer NOT NULL DEFAULT 0
  )`;

/**
 * The migration check with 1,000 migrations, each in the directory and in the history.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function migrations(scene) {
  const directory = path.join(scene.directory, 'migrations');
  await scene.execute('postgres', [`CREATE DATABASE ${DATABASE}`]);
  await scene.execute(DATABASE, [MAKE_HISTORY, insertion(makeDirectory(directory)), 'ANALYZE']);
  const { durations, applied } = await runCheck(scene, directory);
  if (applied !== MIGRATIONS) throw new Error(`${applied} of ${MIGRATIONS} migrations are applied`);
  const [first, ...later] = durations;
  const usual = median(later);
  return [
    {
      measure: 'migration check, 1,000 migrations',
      value: ms(usual),
      against: `first ${ms(first)}, second ${ms(later[0])}, p95 ${ms(percentile(later, 0.95))}`,
      reach: 'at most 10 ms',
      met: usual <= 10,
    },
  ];
}

/**
 * @param {string} directory
 * @returns {{name: string, checksum: string}[]}
 */
function makeDirectory(directory) {
  mkdirSync(directory);
  writeFileSync(path.join(directory, 'migration_lock.toml'), 'provider = "postgresql"\n');
  return Array.from({ length: MIGRATIONS }, (_, index) => {
    const name = `${20_200_101_000_000 + index}_step_${index}`;
    const script = `-- CreateTable\nCREATE TABLE "step_${index}" (\n${COLUMNS}    "id" SERIAL PRIMARY KEY\n);\n`;
    mkdirSync(path.join(directory, name));
    writeFileSync(path.join(directory, name, 'migration.sql'), script);
    return { name, checksum: createHash('sha256').update(script).digest('hex') };
  });
}

/** @param {readonly {name: string, checksum: string}[]} rows */
function insertion(rows) {
  const values = rows.map(
    ({ name, checksum }, index) =>
      `(gen_random_uuid(), '${checksum}', now(), '${name}', timestamptz '2020-01-01' + ${index} * interval '1 hour', 1)`,
  );
  return `
    INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count)
    VALUES ${values.join(',\n')}`;
}

/**
 * @param {import('../lib/scene.mjs').Scene} scene
 * @param {string} directory
 * @returns {Promise<{durations: number[], applied: number}>} durations: ms
 */
async function runCheck(scene, directory) {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT], {
    env: { PATH: process.env.PATH, DATABASE_URL: scene.url(DATABASE), MIGRATIONS_DIR: directory },
  });
  return JSON.parse(stdout);
}
