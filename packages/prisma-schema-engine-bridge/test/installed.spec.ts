import { execFile, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createDatabase,
  finished,
  PrismaApplication,
  query,
} from '../../../test/migrations/engine-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../../../test/support/throw-away-cluster.js';

const run = promisify(execFile);
const PACKAGE = path.resolve('packages/prisma-schema-engine-bridge');
const MODULES = path.resolve('node_modules');

const manifest: { readonly dependencies: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(path.join(PACKAGE, 'package.json'), 'utf8'),
);
const host: { readonly dependencies: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync('package.json', 'utf8'),
);

describe('the package, installed alone from its tarball', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'bridge-installed-'));
  const installed = path.join(directory, 'node_modules/prisma-schema-engine-bridge');
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const { stdout } = await run(
      'npm',
      ['pack', '--ignore-scripts', '--silent', '--pack-destination', directory],
      { cwd: PACKAGE, env: { PATH: process.env['PATH'], HOME: directory } },
    );
    await run('tar', ['xzf', stdout.trim()], { cwd: directory });
    mkdirSync(path.dirname(installed));
    renameSync(path.join(directory, 'package'), installed);
    // Without a network: what npm would install beside it is linked, and nothing else.
    for (const name of Object.keys(manifest.dependencies)) {
      const link = path.join(directory, 'node_modules', name);
      mkdirSync(path.dirname(link), { recursive: true });
      symlinkSync(path.join(MODULES, name), link);
    }
  });
  afterAll(() => own.cluster.destroy());

  it('holds what runs', () => {
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((file) =>
      statSync(path.join(installed, file)).isFile(),
    );
    expect(files.filter((file) => !/^dist\/[\w/-]+\.(?:js|d\.ts)$/.test(file)).toSorted()).toEqual([
      'LICENSE',
      'README.md',
      'bin/prisma-schema-engine',
      'package.json',
    ]);
  });

  it('runs migrations for Prisma’s CLI', async () => {
    const url = await createDatabase(own.cluster, 'by_cli');
    const application = new PrismaApplication(url, path.join(installed, 'bin/prisma-schema-engine'));
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    const { output, exitCode } = await application.prisma('migrate deploy');
    expect(output).toContain('All migrations have been successfully applied.');
    expect(exitCode).toBe(0);
    expect(await query(url, 'SELECT a FROM first')).toEqual([]);
    application.remove();
  });

  it.each([
    ['module', `import { applyMigrations, nodePostgresDatabase } from 'prisma-schema-engine-bridge';`],
    ['commonjs', `const { applyMigrations, nodePostgresDatabase } = require('prisma-schema-engine-bridge');`],
  ])('runs migrations in a program of type %s', async (type, head) => {
    const url = await createDatabase(own.cluster, `by_${type}`);
    const application = new PrismaApplication(url);
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    const program = `${head}
      applyMigrations({ database: nodePostgresDatabase(process.env.DATABASE_URL), directory: process.env.DIRECTORY })
        .then((applied) => console.log(JSON.stringify(applied)));`;
    const ended = await finished(
      spawn(process.execPath, [`--input-type=${type}`, '--eval', program], {
        cwd: directory,
        env: { DATABASE_URL: url, DIRECTORY: application.migrations },
      }),
    );
    expect(ended).toEqual({ output: '["1_first"]\n', exitCode: 0 });
    application.remove();
  });

  it('depends on the versions that pgkeep is tested with', () => {
    const names = Object.keys(manifest.dependencies);
    expect(manifest.dependencies).toEqual(
      Object.fromEntries(names.map((name) => [name, host.dependencies[name]])),
    );
  });
});
