import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { BackupService } from '../../src/backup/backup.service.js';
import type { BackupReport } from '../../src/backup/backup.types.js';
import { readSettings } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { RetentionService } from '../../src/retention/retention.service.js';
import { LocalStorage } from '../../src/storage/local/local-storage.js';
import { REMOTE_STORAGES } from '../../src/storage/storage.types.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** A second directory takes the place of a bucket: what is tested here is the same for every storage. */
describe('a backup that is copied off-site', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let home: string;
  let away: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'copied');
    await query(url, 'CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i');
  });
  afterAll(() => own.cluster.destroy());
  beforeEach(() => {
    home = backupDirectory();
    away = backupDirectory();
  });

  async function withApp<T>(
    work: (app: { backups: BackupService; retention: RetentionService }) => Promise<T>,
  ): Promise<T> {
    const settings = readSettings({
      DATABASE_URL: url,
      BACKUP_DIR: home,
      BACKUP_RETENTION_HOURS: '0',
      BACKUP_RETENTION_DAYS: '1',
      BACKUP_RETENTION_WEEKS: '0',
      BACKUP_RETENTION_MONTHS: '0',
      BACKUP_UPLOAD_ENABLED: 'true',
      AWS_S3_BACKUP_BUCKET: 'stands-for-it',
    });
    const module = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings)] })
      .overrideProvider(REMOTE_STORAGES)
      .useValue(() => Promise.resolve([new LocalStorage(away)]))
      .compile();
    module.useLogger(false);
    try {
      return await work({ backups: module.get(BackupService), retention: module.get(RetentionService) });
    } finally {
      await module.close();
    }
  }

  const make = (): Promise<BackupReport> => withApp(({ backups }) => backups.create());

  function filesOf(name: string): string[] {
    return [`${name}.dump`, `${name}.manifest.json`];
  }

  /** Writes what another server with the same database name and environment would put into the bucket. */
  function ofAnotherServer(name: string, directory: string): string {
    const other = name.replace(/\d{6}$/, '000000');
    for (const file of filesOf(name)) {
      const text = readFileSync(path.join(directory, file), file.endsWith('.json') ? 'utf8' : 'latin1');
      writeFileSync(
        path.join(away, file.replace(name, other)),
        text
          .replaceAll(name, other)
          .replace(/"systemIdentifier": "\d+"/, '"systemIdentifier": "7000000000000000001"'),
        file.endsWith('.json') ? 'utf8' : 'latin1',
      );
    }
    return other;
  }

  it('is complete in both places, and one entry of the catalog', async () => {
    const report = await make();
    expect(report.locations).toEqual([home, away]);
    expect(readdirSync(away)).toEqual(filesOf(report.name));
    for (const file of filesOf(report.name)) {
      expect(readFileSync(path.join(away, file)).equals(readFileSync(path.join(home, file)))).toBe(true);
    }
    expect(await withApp(({ backups }) => backups.list())).toMatchObject({
      backups: [{ name: report.name, locations: [home, away] }],
      unreadable: [],
      unreachable: [],
    });
  });

  it('stays in the directory if copying fails, which is reported with the next command', async () => {
    away = path.join(backupDirectory(), 'file', 'below');
    writeFileSync(path.dirname(away), '');
    const failure = await make().catch((error: unknown) => error);
    const [name] = readdirSync(home).flatMap((file) => /^(.*)\.dump$/.exec(file)?.[1] ?? []);
    expect(failure).toMatchObject({
      code: 'BACKUP_UPLOAD_FAILED',
      message: `Cannot upload ${name}: Cannot write ${away}: ENOTDIR: not a directory, mkdir '${away}'. The backup itself is complete, in ${home}.`,
      hint: `Set BACKUP_DIR to a directory that this user may write to.\nThen upload again: \`pgkeep backup upload ${name}\`.`,
    });
    const list = await withApp(({ backups }) => backups.list());
    expect(list.backups).toMatchObject([{ name, locations: [home] }]);
    expect(list.unreachable).toEqual([
      { location: away, message: `Cannot read ${away}: ENOTDIR: not a directory, scandir '${away}'` },
    ]);
    await expect(withApp(({ retention }) => retention.prune())).rejects.toMatchObject({
      code: 'PRUNE_REFUSED',
    });
    rmSync(path.dirname(away));
    expect(await withApp(({ backups }) => backups.upload(undefined))).toEqual({
      backups: [{ name, locations: [home, away] }],
      cleared: [],
    });
    expect(await withApp(({ backups }) => backups.upload(undefined))).toEqual({ backups: [], cleared: [] });
  });

  it('is not copied if the archive in the directory is damaged', async () => {
    const { name, archive } = await make();
    for (const file of filesOf(name)) rmSync(path.join(away, file));
    truncateSync(archive, 100);
    await expect(withApp(({ backups }) => backups.upload(name))).rejects.toMatchObject({
      code: 'BACKUP_UPLOAD_FAILED',
      message: expect.stringContaining(`${name}.dump in ${home} is damaged: it has 100 bytes with sha256`),
    });
    expect(readdirSync(away)).toEqual([]);
  });

  it('replaces a damaged copy, and leaves another backup of the same name alone', async () => {
    const { name } = await make();
    truncateSync(path.join(away, `${name}.dump`), 100);
    expect(await withApp(({ backups }) => backups.verify(name))).toMatchObject({
      verdict: 'failed',
      locations: [home, away],
      findings: [
        { location: away, code: 'SIZE_DIFFERS' },
        { location: away, code: 'DIGEST_DIFFERS' },
        { location: away, code: 'ARCHIVE_UNREADABLE' },
      ],
    });
    await withApp(({ backups }) => backups.upload(name));
    expect(await withApp(({ backups }) => backups.verify(name))).toMatchObject({ verdict: 'passed' });

    const manifest = path.join(away, `${name}.manifest.json`);
    const other = readFileSync(manifest, 'utf8').replace(/"sha256": "[0-9a-f]{8}/, '"sha256": "00000000');
    writeFileSync(manifest, other);
    await expect(withApp(({ backups }) => backups.upload(name))).rejects.toMatchObject({
      message: `Cannot upload ${name}: ${away} has a different backup of the name ${name}, which was not changed. The backup itself is complete, in ${home}.`,
    });
    expect(readFileSync(manifest, 'utf8')).toBe(other);
    const { backups } = await withApp((app) => app.backups.list());
    expect(backups.map(({ locations }) => locations)).toEqual([[home], [away]]);
  });

  it('is restored from the copy if the directory is gone or its archive is damaged', async () => {
    const { name, sha256 } = await make();
    const used = async (): Promise<string> =>
      await withApp(({ backups }) =>
        backups.withArchive(name, new AbortController().signal, (archive) => {
          expect(archive.manifest.sha256).toBe(sha256);
          return Promise.resolve(archive.file);
        }),
      );
    expect(await used()).toBe(path.join(home, `${name}.dump`));
    truncateSync(path.join(home, `${name}.dump`), 100);
    expect(await used()).toBe(path.join(away, `${name}.dump`));
    rmSync(home, { recursive: true });
    expect(await used()).toBe(path.join(away, `${name}.dump`));
    const listed = await withApp(({ backups }) => backups.list());
    expect(listed.backups).toMatchObject([{ name, locations: [away] }]);
    expect(await withApp(({ backups }) => backups.verify(name))).toEqual({
      name,
      verdict: 'passed',
      without: [],
      findings: [],
      notChecked: [],
      locations: [away],
    });
    truncateSync(path.join(away, `${name}.dump`), 100);
    await expect(used()).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' });
    await expect(withApp(({ backups }) => backups.verify('nope'))).rejects.toMatchObject({
      code: 'BACKUP_NOT_FOUND',
      message: `Backup "nope" not found in ${home} or ${away}.`,
    });
  });

  it('has its documents in both places', async () => {
    const { name } = await make();
    await withApp(({ backups }) => backups.attach(name, 'pinned', { by: 'test' }));
    expect(readdirSync(home)).toEqual(readdirSync(away));
    for (const file of readdirSync(away)) rmSync(path.join(away, file));
    await withApp(({ backups }) => backups.upload(name));
    expect(readdirSync(away)).toEqual([...filesOf(name), `${name}.pinned.json`]);
    rmSync(path.join(home, `${name}.pinned.json`));
    expect((await withApp(({ backups }) => backups.list())).backups).toMatchObject([{ pinned: true }]);
    await withApp(({ backups }) => backups.detach(name, 'pinned'));
    expect(readdirSync(away)).toEqual(filesOf(name));
  });

  it('is pruned in both places; backups of another server are not', async () => {
    const first = await make();
    const foreign = ofAnotherServer(first.name, home);
    const second = await make();
    const plan = await withApp(({ retention }) => retention.prune());
    expect(plan).toMatchObject({ keep: [{ name: second.name }], remove: [first.name], foreign: [foreign] });
    expect(readdirSync(home).filter((file) => file.startsWith(first.name))).toEqual([]);
    expect(readdirSync(away)).toEqual([...filesOf(foreign), ...filesOf(second.name)]);
  });

  it('is removed if its upload was killed, and left alone while its upload continues', async () => {
    const { name } = await make();
    const mark = path.join(away, `${name}.unfinished.json`);
    renameSync(path.join(away, `${name}.manifest.json`), mark);
    writeFileSync(
      mark,
      JSON.stringify({ host: hostname(), pid: 2 ** 22, startedAt: '2026-01-01T00:00:00Z' }),
    );
    expect(await withApp(({ backups }) => backups.upload(name))).toMatchObject({ cleared: [name] });
    expect(readdirSync(away)).toEqual(filesOf(name));

    rmSync(path.join(away, `${name}.manifest.json`));
    writeFileSync(mark, JSON.stringify({ host: 'elsewhere', pid: 1, startedAt: new Date().toISOString() }));
    await expect(withApp(({ backups }) => backups.upload(name))).rejects.toMatchObject({
      message: `Cannot upload ${name}: another run is uploading ${name} to ${away}. The backup itself is complete, in ${home}.`,
    });
    expect(existsSync(mark)).toBe(true);
  });
});
