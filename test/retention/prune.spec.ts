import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { BackupService } from '../../src/backup/backup.service.js';
import { Clock } from '../../src/core/clock.js';
import { readSettings, type Environment } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { RestoreService } from '../../src/restore/restore/restore.service.js';
import { RetentionService } from '../../src/retention/retention.service.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { SetClock } from '../support/set-clock.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('pruning', () => {
  let own: ThrowAwayCluster;
  let environment: Environment;
  const directory = backupDirectory();

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const url = await createDatabase(own, 'pruned');
    await query(url, 'CREATE TABLE t AS SELECT 1 AS id');
    environment = {
      DATABASE_URL: url,
      BACKUP_DIR: directory,
      BACKUP_RETENTION_DAYS: '2',
      BACKUP_RETENTION_WEEKS: '0',
      BACKUP_RETENTION_MONTHS: '0',
    };
    for (const day of ['01', '02', '03', '04'])
      await at(`2026-02-${day}T02:00:00Z`, ({ backups }) => backups.create());
    await at('2026-02-01T02:00:00Z', ({ backups }) => backups.create(), { NODE_ENV: 'staging' });
  }, 60_000);
  afterAll(() => own.cluster.destroy());

  /** Runs `work` at that moment. */
  async function at<T>(
    moment: string,
    work: (app: {
      backups: BackupService;
      retention: RetentionService;
      restores: RestoreService;
    }) => Promise<T>,
    extra: Environment = {},
  ): Promise<T> {
    const settings = readSettings({ ...environment, ...extra });
    const module = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings)] })
      .overrideProvider(Clock)
      .useValue(new SetClock(new Date(moment)))
      .compile();
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

  const NOW = '2026-02-04T12:00:00Z';
  const names = ['04', '03', '02', '01'].map((day) => `pruned_development_202602${day}_020000`);

  it('shows its plan without changing anything', async () => {
    const before = readdirSync(directory);
    expect(await at(NOW, ({ retention }) => retention.prune({ dryRun: true }))).toEqual({
      dryRun: true,
      recorded: false,
      keep: [
        { name: names[0], because: ['newest', 'younger than 48 hours', 'daily 2026-02-04'] },
        { name: names[1], because: ['younger than 48 hours', 'daily 2026-02-03'] },
      ],
      remove: [names[2], names[3]],
      foreign: [],
    });
    expect(readdirSync(directory)).toEqual(before);
  });

  it('refuses when a manifest cannot be read', async () => {
    const damaged = path.join(directory, 'other_development_20260201_020000.manifest.json');
    writeFileSync(damaged, '{');
    await expect(at(NOW, ({ retention }) => retention.prune())).rejects.toMatchObject({
      code: 'PRUNE_REFUSED',
      message:
        'Refused to prune: other_development_20260201_020000.manifest.json cannot be read as a manifest. Nothing was removed.',
    });
    rmSync(damaged);
  });

  it('removes manifest and archive of what the rules do not keep, and nothing of another environment', async () => {
    await at(NOW, ({ retention }) => retention.prune());
    expect(
      readdirSync(directory)
        .filter((file) => file.includes('_development_2026'))
        .toSorted((a, b) => a.localeCompare(b)),
    ).toEqual([
      `${names[1]}.dump`,
      `${names[1]}.manifest.json`,
      `${names[0]}.dump`,
      `${names[0]}.manifest.json`,
    ]);
    expect(readdirSync(directory).filter((file) => file.includes('_staging_'))).toHaveLength(2);
    expect(await at(NOW, ({ retention }) => retention.prune())).toMatchObject({ remove: [] });
  });

  it('refuses if most of what the last prune left is gone', async () => {
    for (const name of names) rmSync(path.join(directory, `${name}.manifest.json`), { force: true });
    await expect(at(NOW, ({ retention }) => retention.prune())).rejects.toMatchObject({
      code: 'PRUNE_REFUSED',
      message:
        'Refused to prune: of the 2 backups that the last prune kept, 2 are missing. Nothing was removed.',
      hint: `Check that BACKUP_DIR is the right directory, and look for the missing backups: ${names[0]}, ${names[1]}.`,
    });
  });

  it('after an accident and a restore keeps the good backup of that day, and what was restored', async () => {
    const url = await createDatabase(own, 'orders');
    await query(url, 'CREATE TABLE orders AS SELECT generate_series(1, 100) AS id');
    const settings = { DATABASE_URL: url, BACKUP_DIR: backupDirectory(), BACKUP_RETENTION_DAYS: '30' };
    const good = await at('2026-03-04T02:00:00Z', ({ backups }) => backups.create(), settings);
    await query(url, 'DELETE FROM orders');
    const restored = await at(
      '2026-03-04T14:00:00Z',
      ({ restores }) => restores.restore({ source: good.name }),
      settings,
    );
    await at('2026-03-05T02:00:00Z', ({ backups }) => backups.create(), settings);
    const pruned = await at('2026-03-20T02:05:00Z', ({ retention }) => retention.prune(), settings);
    expect([pruned.remove, pruned.keep]).toEqual([
      [],
      [
        { name: 'orders_development_20260305_020000', because: ['newest', 'daily 2026-03-05'] },
        {
          name: restored.safetyBackup,
          because: ['pre-restore, younger than 30 days'],
        },
        {
          name: good.name,
          because: [`restored when ${restored.safetyBackup ?? ''} was made`, 'daily 2026-03-04'],
        },
      ],
    ]);
  });
});
