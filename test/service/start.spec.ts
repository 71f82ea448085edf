import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createGuarded, type GuardedDatabase } from '../support/guarded-database.js';
import { emptyDirectory, PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

/** What a verb, a job or a rare request needs: loaded before the first answer, it would delay that. */
const LATER = [
  'alerts',
  'access/(ended-sessions|jwt|session|sign-in)',
  'backup/(copies/upload|create/backup-run|export/export-tables|globals/globals-dump|verify)',
  'cli/(?!errors)',
  'client',
  'cluster/(cluster|embedded-cluster|certificates)',
  'deploy',
  'doctor',
  'dashboard/(?!dashboard\\.(controller|module))',
  'overview/(?!load-overview)',
  'drift/compare-schema',
  'generated',
  'http/openapi-',
  'jobs/perform-run',
  'notifiers',
  'metrics',
  'migrations/(schema-engine|lint/(rules|run-lint)|down/(down-script|reverse-diff)\\.js)',
  'monitoring',
  'pgkeep.module',
  'policy/(?!policy\\.(service|module))',
  // The readiness checks and the jobs ask these services, which load what they do when they do it.
  'privacy/(?!erasure\\.module|(cleanup/cleanup|ledger/ledger|replay/replay)\\.service)',
  'restore/(archive|server|restore/(restore|restore-run|swap)\\.js|test/test-backup)',
  'scheduler',
  'storage/(s3|gcs)',
];

/** The dependencies of package.json that a start needs. */
const NEEDED = new Set([
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/platform-fastify',
  'class-validator',
  'cron',
  'fastest-levenshtein',
  'pg',
  'reflect-metadata',
  'rxjs',
]);

const DIST = `${pathToFileURL(path.resolve('dist')).href}/`;

/** The modules that a file of the service's bundle is made of, by its source map. */
function bundledIn(file: string): string[] {
  // The bundler's own helpers have none.
  if (file === 'bundle/rolldown-runtime.js') return [];
  const map: { sources: string[] } = JSON.parse(readFileSync(path.join('dist', `${file}.map`), 'utf8'));
  return map.sources.map((source) => path.posix.join(path.posix.dirname(file), source));
}

describe('the service, until its first 200', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;
  let service: PgkeepProcess | undefined;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
    guarded = await createGuarded(own, 'guarded');
  });
  afterEach(async () => await service?.kill());
  afterAll(async () => await own.cluster.destroy());

  it('loads nothing that only a command, a job or a rare request needs', async () => {
    const directory = emptyDirectory();
    const recorded = path.join(directory, 'imports');
    const settings = { DATABASE_URL: guarded.url, MIGRATIONS_DIR: guarded.migrationsDirectory };
    expect(await runCli(['install'], settings)).toMatchObject({ code: 0 });
    service = new PgkeepProcess('main', [], {
      ...settings,
      PORT: '0',
      HOST: '127.0.0.1',
      BACKUP_ENABLED: 'true',
      BACKUP_RETENTION_DAYS: '30',
      BACKUP_DIR: path.join(directory, 'backups'),
      DB_MONITORING_ENABLED: 'true',
      READINESS_GATES: 'environment=warn,backupConfig=warn,backups=warn',
      NODE_OPTIONS: `--import ${path.resolve('test/support/record-imports.mjs')}`,
      RECORDED_IMPORTS: recorded,
    });
    const url = await service.listening();
    await until(async () => (await fetch(`${url}/ready`)).status === 200);
    const imported = readFileSync(recorded, 'utf8').trim().split('\n');
    const files = imported.filter((file) => file.startsWith(DIST)).map((file) => file.slice(DIST.length));
    const beside = new Set(files.filter((file) => !file.startsWith('bundle/')));
    expect(beside).toEqual(
      new Set(['main.js', 'core/compile-cache.js', 'core/process/early-signals.js', 'service/start.js']),
    );
    const modules = files.filter((file) => file.startsWith('bundle/')).flatMap(bundledIn);
    expect(modules.length).toBeGreaterThan(100);
    expect(modules.filter((file) => new RegExp(`^(${LATER.join('|')})`).test(file))).toEqual([]);

    service.signal('SIGUSR2');
    await until(() => readFileSync(recorded, 'utf8').includes('\ncomplete\n'));
    const all = [...imported, ...readFileSync(recorded, 'utf8').split('\n')];
    expect(all.filter((file) => /node_modules\/(ajv|fast-uri|@fastify\/ajv-compiler)\//.test(file))).toEqual(
      [],
    );
    const { dependencies }: { dependencies: object } = JSON.parse(readFileSync('package.json', 'utf8'));
    const direct = Object.keys(dependencies).filter((name) =>
      imported.some((file) => file.includes(`/node_modules/${name}/`)),
    );
    expect(direct.filter((name) => !NEEDED.has(name))).toEqual([]);
  }, 60_000);
});
