import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { median, ms } from '../lib/numbers.mjs';
import { root } from '../../scripts/lib/project.mjs';

const DATABASE = 'guarded_application';
const ROUNDS = 9;
const REACH_MS = 150;
const PRISMA = path.join(root, 'node_modules/prisma/build/index.js');

/** A command that the guard allows without a query, and one for which it queries the database. */
const COMMANDS = ['validate', 'migrate status', 'db push'];

/**
 * The time that the guard adds to a command of Prisma: the same application with and without `guardedConfig`.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function guard(scene) {
  await scene.execute('postgres', [`CREATE DATABASE ${DATABASE}`]);
  const url = scene.url(DATABASE);
  for (const argv of [['install'], ['stamp', 'development']]) {
    await promisify(execFile)(process.execPath, [path.join(root, 'dist/cli.js'), ...argv], {
      env: { PATH: process.env.PATH, DATABASE_URL: url },
      cwd: scene.directory,
    });
  }
  const plain = makeApplication(path.join(scene.directory, 'plain'), false);
  const guarded = makeApplication(path.join(scene.directory, 'guarded'), true);
  const rows = [];
  for (const command of COMMANDS) {
    const times = { plain: [], guarded: [] };
    await timePrisma(plain, command, url);
    await timePrisma(guarded, command, url);
    // In turns, so that other load of the machine affects both.
    for (let round = 0; round < ROUNDS; round += 1) {
      times.plain.push(await timePrisma(plain, command, url));
      times.guarded.push(await timePrisma(guarded, command, url));
    }
    const [without, added] = [median(times.plain), median(times.guarded) - median(times.plain)];
    rows.push({
      measure: `the guard, of \`prisma ${command}\``,
      value: `+${ms(added)}`,
      against: `without: ${ms(without)}`,
      reach: `at most ${REACH_MS} ms`,
      met: added <= REACH_MS,
    });
  }
  return rows;
}

/**
 * @param {string} directory
 * @param {boolean} isGuarded
 */
function makeApplication(directory, isGuarded) {
  mkdirSync(path.join(directory, 'prisma'), { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(directory, 'node_modules'));
  writeFileSync(
    path.join(directory, 'prisma/schema.prisma'),
    'datasource db {\n  provider = "postgresql"\n}\nmodel Child {\n  id Int @id\n}\n',
  );
  const config = `defineConfig({ schema: 'prisma/schema.prisma', datasource: { url: process.env.DATABASE_URL } })`;
  writeFileSync(
    path.join(directory, 'prisma.config.ts'),
    [
      `import { defineConfig } from 'prisma/config';`,
      ...(isGuarded ? [`import { guardedConfig } from '${path.join(root, 'dist/prisma.js')}';`] : []),
      `export default ${isGuarded ? `await guardedConfig(${config})` : config};\n`,
    ].join('\n'),
  );
  return directory;
}

/**
 * @param {string} cwd
 * @param {string} command
 * @param {string} url
 */
async function timePrisma(cwd, command, url) {
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    DATABASE_URL: url,
    PRISMA_SCHEMA_ENGINE_BINARY: path.join(root, 'bin/schema-engine'),
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
  };
  const begin = performance.now();
  // `migrate status` ends with 1 if nothing was migrated yet, which does not matter here.
  await promisify(execFile)(process.execPath, [PRISMA, ...command.split(' ')], { cwd, env }).catch(
    (error) => {
      if (error.code !== 1 || command !== 'migrate status') throw error;
    },
  );
  return performance.now() - begin;
}
