import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { BackupService } from '../../src/backup/backup.service.js';
import { UnfinishedRuns } from '../../src/backup/catalog/unfinished-runs.js';
import { readSettings } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { RestoreService } from '../../src/restore/restore/restore.service.js';
import { RetentionService } from '../../src/retention/retention.service.js';
import type { PruneReport } from '../../src/retention/retention.types.js';
import { LocalStorage } from '../../src/storage/local/local-storage.js';
import { REMOTE_STORAGES } from '../../src/storage/storage.types.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { PgkeepProcess } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

interface Services {
  readonly backups: BackupService;
  readonly retention: RetentionService;
  readonly restores: RestoreService;
}

/** A second directory takes the place of a bucket. */
describe('a backup in use', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let home: string;
  let away: string;
  /** The backup that retention no longer needs. */
  let old: string;
  let newest: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'claimed');
    await query(url, 'CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i');
  });
  beforeEach(async () => {
    home = backupDirectory();
    away = backupDirectory();
    await withServices(async ({ backups }) => {
      old = (await backups.create()).name;
      newest = (await backups.create()).name;
    });
  });
  afterAll(() => own.cluster.destroy());

  const environment = (directory = home): Record<string, string> => ({
    DATABASE_URL: url,
    BACKUP_DIR: directory,
    BACKUP_RETENTION_HOURS: '0',
    BACKUP_RETENTION_DAYS: '1',
    BACKUP_RETENTION_WEEKS: '0',
    BACKUP_RETENTION_MONTHS: '0',
  });

  async function withServices<T>(work: (services: Services) => Promise<T>, directory = home): Promise<T> {
    const bucket = { BACKUP_UPLOAD_ENABLED: 'true', AWS_S3_BACKUP_BUCKET: 'stands-for-it' };
    const settings = readSettings({ ...environment(directory), ...bucket });
    const module = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings)] })
      .overrideProvider(REMOTE_STORAGES)
      .useValue(() => Promise.resolve([new LocalStorage(away)]))
      .compile();
    module.useLogger(false);
    try {
      return await work({
        backups: module.get(BackupService),
        retention: module.get(RetentionService),
        restores: module.get(RestoreService),
      });
    } finally {
      await module.close();
    }
  }

  const prune = (): Promise<PruneReport> => withServices(({ retention }) => retention.prune());

  const filesOf = (directory: string): string[] =>
    readdirSync(directory).filter((name) => name.startsWith(old));

  const claims = (directory: string): string[] =>
    filesOf(directory).filter((name) => name.includes('.in-use-'));

  const kept = (use: string): object => ({
    keep: [{ name: newest }, { name: old, because: [`in use: ${use}`] }],
    remove: [],
  });

  it('is kept while another process tests its restore, and removed by the next prune', async () => {
    const test = new PgkeepProcess('cli', ['restore', 'test', old], environment());
    await until(() => claims(home).length > 0, 20_000, 'a test that has begun');
    expect(await prune()).toMatchObject(kept('restore test'));
    expect(await test.end(60_000)).toEqual({ code: 0, signal: null });
    expect(filesOf(home)).toEqual([`${old}.dump`, `${old}.manifest.json`, `${old}.restore-test.json`]);
    // It is proven now: retention keeps it until a newer backup is proven.
    rmSync(path.join(home, `${old}.restore-test.json`));
    expect(await prune()).toMatchObject({ remove: [old] });
    expect([filesOf(home), filesOf(away)]).toEqual([[], []]);
  });

  it('is removed if the process that used it was killed', async () => {
    const test = new PgkeepProcess('cli', ['restore', 'test', old], environment());
    await until(() => claims(home).length > 0, 20_000, 'a test that has begun');
    await test.kill();
    expect(await prune()).toMatchObject({ remove: [old] });
    expect([filesOf(home), filesOf(away)]).toEqual([[], []]);
  });

  it('is kept if only a replica with another directory uses the copy in the bucket', async () => {
    await withServices(async ({ backups }) => {
      const options = { use: 'restore', signal: new AbortController().signal } as const;
      expect(await backups.whileClaimed(`${old}.dump`, options, prune)).toMatchObject(kept('restore'));
    }, backupDirectory());
    expect(filesOf(away)).toEqual([`${old}.dump`, `${old}.manifest.json`]);
    expect(await prune()).toMatchObject({ remove: [old] });
  });

  const uses: [string, (services: Services) => Promise<unknown>][] = [
    ['verify', ({ backups }: Services) => backups.verify(old)],
    ['upload', ({ backups }: Services) => backups.upload(old)],
    ['restore', ({ restores }: Services) => restores.restore({ source: old, withoutSafetyBackup: true })],
    [
      'restore of tables',
      ({ restores }: Services) => restores.restoreTables({ source: old, tables: ['t'], into: 'rescued' }),
    ],
  ];

  it.each(uses)('is marked while it is used: %s', async (_use, work) => {
    rmSync(away, { recursive: true });
    const seen = new Set<string>();
    const watcher = watch(home, (_event, name) => seen.add(String(name)));
    try {
      await withServices(work);
      await until(() => [...seen].some((name) => name.startsWith(`${old}.in-use-`)), 5000, 'a claim');
    } finally {
      watcher.close();
    }
    expect(claims(home)).toEqual([]);
  });

  it('is not used while its removal is announced: other work waits', async () => {
    const runs = new UnfinishedRuns(new LocalStorage(home));
    const signal = new AbortController().signal;
    const manifest = path.join(home, `${old}.manifest.json`);
    await runs.begin(old, 'prune', new Date(), signal);
    const used = withServices(({ backups }) =>
      backups.whileClaimed(old, { use: 'verify', signal }, () => Promise.resolve(existsSync(manifest))),
    );
    await until(() => claims(home).length > 0, 5000, 'a claim');
    rmSync(manifest);
    await runs.commit(old);
    expect(await used).toBe(false);
  });

  it('is kept with its mark while a run replaces its copy in the bucket', async () => {
    const runs = new UnfinishedRuns(new LocalStorage(away));
    await runs.begin(old, 'upload', new Date(), new AbortController().signal);
    expect(await prune()).toMatchObject(kept('upload'));
    expect(await runs.runOn(old)).toBe('upload');
    await runs.commit(old);
    expect(await prune()).toMatchObject({ remove: [old] });
  });

  it('a prune that was killed half-way is completed by the next backup', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    const mark = { host: hostname(), pid, startedAt: '2026-11-20T12:00:00.000Z', boot: '', use: 'prune' };
    writeFileSync(path.join(home, `${old}.unfinished.json`), JSON.stringify(mark));
    rmSync(path.join(home, `${old}.manifest.json`));
    const { cleared } = await withServices(({ backups }) => backups.create());
    expect([cleared, filesOf(home)]).toEqual([[old], []]);
  });
});
