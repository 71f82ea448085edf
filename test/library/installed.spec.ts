import { execFile, spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { builtinModules, createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CHECK_NAMES } from '../../src/readiness/checks.js';
import { createDatabase, finished, prismaEnvironment, query } from '../migrations/engine-application.js';
import { createGuarded } from '../support/guarded-database.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const run = promisify(execFile);
const MODULES = path.resolve('node_modules');

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
}

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly dev?: boolean; readonly engines?: { readonly node?: string } }>
  >;
}

const manifest: Manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const lock: Lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));

/** A foreign Nest application that uses all entry points of pgkeep. */
const APPLICATION = `
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PgkeepHttpModule, PgkeepModule, ReadinessMonitor, readSettings, type Verdict } from 'pgkeep';
import { createGuardedPool } from 'pgkeep/client';
import { PgkeepClientModule } from 'pgkeep/client/nest';
import { guardTests } from 'pgkeep/prisma';
import { PgkeepScheduleModule } from 'pgkeep/schedule';

const pool = createGuardedPool();
const client = { $connect: () => pool.requireConnection(), $disconnect: () => pool.end() };

@Module({
  imports: [
    PgkeepModule.forRoot(readSettings(process.env)),
    PgkeepHttpModule,
    PgkeepScheduleModule,
    PgkeepClientModule.forRoot({ client, actor: () => 'nurse' }),
  ],
})
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
  await app.listen(0, '127.0.0.1');
  const verdict: Verdict = await app.get(ReadinessMonitor).verdict();
  const live = await fetch(\`\${await app.getUrl()}/live\`);
  console.log(JSON.stringify({ checks: Object.keys(verdict.checks).length, live: live.status, guard: typeof guardTests }));
  await app.close();
}
void main();
`;

/** An application without Nest, whose types a CommonJS file cannot import with \`module: node16\`. */
const LIBRARY = `
import { readSettings } from 'pgkeep';
import { createGuardedAdapter, pgkeepGuard, pgkeepReplica } from 'pgkeep/client';
import { guardTests } from 'pgkeep/prisma';
import { PgkeepScheduleModule } from 'pgkeep/schedule';

export const used = [createGuardedAdapter, guardTests, pgkeepGuard, pgkeepReplica, PgkeepScheduleModule];
// @ts-expect-error There is no such setting: the types are known, and not any.
readSettings(process.env).nothing;
`;

/** The kind of a file, as `dist/*.js`: its directory and extension. */
function kindOf(file: string): string {
  const directory =
    /^(?:packages\/[^/]+\/(?:bin|dist)|examples\/clinic\/prisma|prisma\/migrations|[^/]+)\//.exec(file)?.[0];
  if (directory === undefined || file.startsWith('packages/') !== directory.startsWith('packages/'))
    return file;
  if (directory === 'packages/') return file;
  return directory.endsWith('bin/') ? `${directory}*` : `${directory}*${path.extname(file)}`;
}

/** The module names of static and dynamic imports. */
const IMPORTS =
  /^(?:import|export)\b(?:[^=;'"]*\bfrom)? '([^']+)';$|(?:\bimport|createRequire\(import\.meta\.url\))\('([^']+)'\)/gm;

describe('the package, installed from its tarball', () => {
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-installed-'));
    // The test's set-up has built dist/ already.
    const { stdout } = await run(
      'npm',
      ['pack', '--ignore-scripts', '--silent', '--pack-destination', directory],
      { env: { PATH: process.env['PATH'], HOME: directory } },
    );
    await run('tar', ['xzf', stdout.trim()], { cwd: directory });
    const installed = path.join(directory, 'node_modules');
    mkdirSync(installed);
    cpSync(path.join(directory, 'package'), path.join(installed, 'pgkeep'), { recursive: true });
    // Without a network: exactly the packages that npm would install beside it are linked.
    const own = ['@nestjs/platform-express', 'typescript', '@types/node', 'prisma'];
    for (const name of [...Object.keys(manifest.dependencies), ...own]) {
      mkdirSync(path.dirname(path.join(installed, name)), { recursive: true });
      symlinkSync(path.join(MODULES, name), path.join(installed, name));
    }
    for (const type of ['module', 'commonjs']) {
      const application = path.join(directory, type);
      mkdirSync(application);
      writeFileSync(path.join(application, 'package.json'), JSON.stringify({ type }));
      writeFileSync(path.join(application, 'main.ts'), APPLICATION);
      writeFileSync(path.join(application, 'library.ts'), LIBRARY);
    }
  });

  it('contains what runs and the pages that it refers to, and no development files', () => {
    const files = readdirSync(path.join(directory, 'package'), { recursive: true, encoding: 'utf8' }).filter(
      (file) => statSync(path.join(directory, 'package', file)).isFile(),
    );
    const kinds = new Set(files.map(kindOf));
    expect([...kinds].toSorted()).toEqual([
      '.env.example',
      'LICENSE',
      'README.md',
      'assets/*.css',
      'assets/*.js',
      'bin/*',
      'dist/*.cjs',
      'dist/*.cts',
      'dist/*.js',
      'dist/*.map',
      'dist/*.ts',
      'docs/*.md',
      'examples/clinic/prisma/*.json',
      'examples/clinic/prisma/*.prisma',
      'examples/clinic/prisma/*.sql',
      'examples/clinic/prisma/*.toml',
      'package.json',
      'packages/prisma-schema-engine-bridge/LICENSE',
      'packages/prisma-schema-engine-bridge/README.md',
      'packages/prisma-schema-engine-bridge/bin/*',
      'packages/prisma-schema-engine-bridge/dist/*.js',
      'packages/prisma-schema-engine-bridge/dist/*.ts',
      'packages/prisma-schema-engine-bridge/package.json',
      'prisma/migrations/*.sql',
      'prisma/migrations/*.toml',
      'scripts/*.sh',
    ]);
    // Every page that a message of the code names.
    const named = files
      .filter((file) => /^dist\/.*\.js$/.test(file))
      .flatMap(
        (file) =>
          readFileSync(path.join(directory, 'package', file), 'utf8').match(/docs\/[\w-]+\.md/g) ?? [],
      );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((page) => !files.includes(page))).toEqual([]);
  });

  /** Compiles a file. @returns the compiler's output. */
  async function compile(type: string, file: string, options: readonly string[]): Promise<string> {
    const compiler = path.join(MODULES, 'typescript/bin/tsc');
    const fixed = ['--strict', '--target', 'es2022', '--types', 'node', '--outDir', 'out'];
    const decorators = ['--experimentalDecorators', '--emitDecoratorMetadata', '--ignoreDeprecations', '6.0'];
    try {
      await run(process.execPath, [compiler, ...fixed, ...decorators, ...options, file], {
        cwd: path.join(directory, type),
      });
      return '';
    } catch (error) {
      if (error instanceof Error && 'stdout' in error) return String(error.stdout);
      throw error;
    }
  }

  const resolution = (module: string, moduleResolution: string): string[] => [
    '--skipLibCheck',
    '--module',
    module,
    '--moduleResolution',
    moduleResolution,
  ];

  it.each([
    ['module', 'library.ts', resolution('commonjs', 'node10')],
    ['module', 'library.ts', resolution('node16', 'node16')],
    ['commonjs', 'library.ts', resolution('node16', 'node16')],
    ['commonjs', 'main.ts', resolution('node20', 'node16')],
    ['commonjs', 'main.ts', resolution('nodenext', 'nodenext')],
    ['module', 'main.ts', resolution('esnext', 'bundler')],
    // The declarations are complete: they use no type that only this repository has.
    ['module', 'main.ts', ['--module', 'nodenext']],
  ])('has types for a %s application: %s with %j', async (type, file, options) => {
    expect(await compile(type, file, options)).toBe('');
  });

  describe('runs', () => {
    let own: ThrowAwayCluster;
    beforeAll(async () => {
      own = await startThrowAwayCluster();
    });
    afterAll(() => own.cluster.destroy());

    it('as a command', async () => {
      const command = path.join(directory, 'node_modules/pgkeep/dist/cli.js');
      const { stdout } = await run(process.execPath, [command, '--help'], { cwd: directory });
      expect(stdout).toContain('Usage: pgkeep');
    });

    it.each([
      ['module', `import { guardedConfig, useSchemaEngine } from 'pgkeep/prisma';\nexport default`],
      ['commonjs', `const { guardedConfig, useSchemaEngine } = require('pgkeep/prisma');\nmodule.exports =`],
    ])('Prisma Migrate without a download, from a prisma.config of type %s', async (type, head) => {
      const url = await createDatabase(own.cluster, `migrated_${type}`);
      const application = path.join(directory, `prisma-${type}`);
      const migration = path.join(application, 'prisma/migrations/1_first');
      mkdirSync(migration, { recursive: true });
      writeFileSync(path.join(application, 'package.json'), JSON.stringify({ type }));
      writeFileSync(
        path.join(application, 'prisma/schema.prisma'),
        'datasource db {\n provider = "postgresql"\n}\n',
      );
      writeFileSync(path.join(migration, 'migration.sql'), 'CREATE TABLE first (a integer);');
      writeFileSync(
        path.join(application, 'prisma.config.js'),
        `${head} guardedConfig({
           schema: 'prisma/schema.prisma',
           migrations: { path: 'prisma/migrations' },
           datasource: { url: useSchemaEngine(process.env.DATABASE_URL) },
         });`,
      );
      const prisma = path.join(MODULES, 'prisma/build/index.js');
      const ended = await finished(
        spawn(process.execPath, [prisma, 'migrate', 'deploy'], {
          cwd: application,
          env: prismaEnvironment({ DATABASE_URL: url, NODE_ENV: undefined }),
        }),
      );
      expect(ended.output).toContain('All migrations have been successfully applied.');
      expect(ended.exitCode).toBe(0);
      expect(await query(url, 'SELECT a FROM first')).toEqual([]);
    });

    it.each([
      ['module', resolution('nodenext', 'nodenext'), 'import { NestFactory }'],
      ['commonjs', resolution('commonjs', 'node10'), 'require("pgkeep")'],
    ])('in a Nest application of type %s', async (type, options, text) => {
      const { url, migrationsDirectory } = await createGuarded(own, `guarded_${type}`);
      expect(await compile(type, 'main.ts', options)).toBe('');
      const program = path.join(directory, type, 'out/main.js');
      expect(readFileSync(program, 'utf8')).toContain(text);
      const { stdout } = await run(process.execPath, [program], {
        cwd: path.join(directory, type),
        env: { PATH: process.env['PATH'], DATABASE_URL: url, MIGRATIONS_DIR: migrationsDirectory },
      });
      expect(JSON.parse(stdout)).toEqual({ checks: CHECK_NAMES.length, live: 200, guard: 'function' });
    });
  });

  it('depends on every package that it imports', () => {
    const files = readdirSync(path.join(directory, 'package'), { recursive: true, encoding: 'utf8' }).filter(
      (file) => /\.c?js$|\.d\.c?ts$/.test(file),
    );
    const imported = files.flatMap((file) => {
      const text = readFileSync(path.join(directory, 'package', file), 'utf8');
      return [...text.matchAll(IMPORTS)]
        .map(([, fixed, dynamic]) => fixed ?? dynamic ?? '')
        .filter((name) => !name.startsWith('.') && !name.startsWith('#'))
        .map((name) =>
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        );
    });
    const packages = new Set(
      imported.filter((name) => !name.startsWith('node:') && !builtinModules.includes(name)),
    );
    expect(packages.size).toBeGreaterThan(10);
    expect([...packages].filter((name) => !(name in manifest.dependencies))).toEqual([]);
  });
});

it('supports no version of Node.js that its dependencies refuse', () => {
  // A dependency of fastify, so it is installed.
  const semver: { subset(range: string, of: string): boolean } = createRequire(import.meta.url)('semver');
  const refusing = Object.entries(lock.packages).filter(
    ([name, { dev, engines }]) =>
      name !== '' &&
      !dev &&
      engines?.node !== undefined &&
      !semver.subset(manifest.engines.node, engines.node),
  );
  expect(refusing.map(([name, { engines }]) => `${name} wants ${engines?.node}`)).toEqual([]);
});
