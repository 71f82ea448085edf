import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, ms } from '../lib/numbers.mjs';

const MIGRATIONS = 1000;
const RUNS = 5;
const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/**
 * `pgkeep migrate lint` of 1,000 migrations, the complete command: start, read, parse, judge, print.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function lint(scene) {
  const directory = path.join(scene.directory, 'linted');
  const statements = makeDirectory(directory);
  const durations = [];
  const starts = [];
  for (let run = 0; run < RUNS; run += 1) {
    starts.push((await timed(['--help'], directory)).duration);
    const { duration, stdout } = await timed(['migrate', 'lint', '--json', '--no-squawk'], directory);
    const report = JSON.parse(stdout);
    if (report.files !== MIGRATIONS || report.statements !== statements) {
      throw new Error(`${report.statements} statements of ${report.files} migrations were linted`);
    }
    if (report.counts.error === 0) throw new Error('no finding: nothing was linted');
    durations.push(duration);
  }
  const usual = median(durations);
  return [
    {
      measure: `lint of 1,000 migrations, ${statements} statements`,
      value: ms(usual),
      against: `pgkeep --help ${ms(median(starts))}`,
      reach: 'under 2 s',
      met: usual < 2000,
    },
  ];
}

/**
 * Writes typical migrations: tables, then columns, indexes, keys and backfills on earlier tables.
 *
 * @param {string} directory
 * @returns {number} the number of statements
 */
function makeDirectory(directory) {
  let statements = 0;
  for (let index = 0; index < MIGRATIONS; index += 1) {
    const script = index % 4 === 0 ? creation(index) : change(index - (index % 4), index);
    statements += script.split(';\n').length - 1;
    const migration = path.join(directory, `${20_200_101_000_000 + index}_step_${index}`);
    mkdirSync(migration, { recursive: true });
    writeFileSync(path.join(migration, 'migration.sql'), script);
  }
  return statements;
}

/** @param {number} index */
function creation(index) {
  const columns = Array.from(
    { length: 12 },
    (_, column) => `    "column_${column}" VARCHAR(100) NOT NULL,\n`,
  );
  return `-- CreateTable
CREATE TABLE "table_${index}" (
    "id" SERIAL NOT NULL,
${columns.join('')}    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "table_${index}_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "table_${index}_column_0_key" ON "table_${index}"("column_0");
`;
}

/**
 * @param {number} table
 * @param {number} index
 */
function change(table, index) {
  return `SET lock_timeout = '5s';

-- AlterTable
ALTER TABLE "table_${table}" ADD COLUMN "added_${index}" INTEGER,
ALTER COLUMN "column_1" SET DATA TYPE TEXT;

-- Backfill
UPDATE "table_${table}" SET "added_${index}" = 7 WHERE "added_${index}" IS NULL AND "column_2" <> 'é';

-- CreateIndex
CREATE INDEX "table_${table}_added_${index}_idx" ON "table_${table}"("added_${index}");
`;
}

/**
 * @param {readonly string[]} argv
 * @param {string} directory the migrations
 * @returns {Promise<{duration: number, stdout: string}>} duration: ms
 */
async function timed(argv, directory) {
  const startedAt = performance.now();
  const stdout = await new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [CLI, ...argv],
      {
        cwd: path.dirname(directory),
        env: { PATH: process.env.PATH, MIGRATIONS_DIR: directory },
        maxBuffer: 1 << 28,
      },
      // Exit code 1 means that some findings are errors, as expected here.
      (error, answer) => (error && error.code !== 1 ? reject(error) : resolve(answer)),
    );
  });
  return { duration: performance.now() - startedAt, stdout };
}
