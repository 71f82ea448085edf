import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseManifest } from '../../src/backup/catalog/manifest.js';
import type { Manifest } from '../../src/backup/backup.types.js';
import { backupDirectory, holdings, pgDumpMajor, stockRestore, withBackups } from '../support/backups.js';
import { createClinic, createDatabase, query, verified } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

function manifestOf(directory: string, name: string): Manifest {
  const manifest = parseManifest(readFileSync(path.join(directory, `${name}.manifest.json`), 'utf8'));
  if (!manifest) throw new Error('not a manifest');
  return manifest;
}

describe('a backup', () => {
  let own: ThrowAwayCluster;
  let clinic: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    clinic = await createClinic(own, 'clinic', { seeded: true });
  });
  afterAll(() => own.cluster.destroy());

  it('restores with stock pg_restore to the structure and contents that the manifest describes', async () => {
    const url = await createDatabase(own, 'awk ward');
    await query(url, readFileSync('test/support/awkward.sql', 'utf8'));
    const before = await holdings(url);
    const directory = backupDirectory();
    const report = await withBackups({ DATABASE_URL: url, BACKUP_DIR: directory }, (backups) =>
      backups.create(),
    );
    const manifest = manifestOf(directory, report.name);
    expect(manifest.tables).toEqual(before.tables);
    expect(manifest.catalogue).toEqual(before.catalogue);
    const restored = await createDatabase(own, 'awkward_restored');
    const result = await stockRestore(report.archive, restored);
    expect(result).toMatchObject({ exitCode: 0 });
    const after = await holdings(restored);
    expect(after.tables).toEqual(manifest.tables);
    expect(after.catalogue).toEqual(manifest.catalogue);
    const objects = await query(restored, 'SELECT lo_get(oid) AS content FROM pg_largeobject_metadata');
    expect(String(objects.rows[0].content)).toBe('a large object');
  });

  it('counts exactly the rows that it dumps, during concurrent writes', async () => {
    const url = await createDatabase(own, 'busy');
    await query(
      url,
      'CREATE TABLE t (id bigserial, v text); INSERT INTO t (v) SELECT md5(i::text) FROM generate_series(1, 50000) i',
    );
    const state = { writing: true };
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      while (state.writing) {
        await query(
          url,
          `INSERT INTO t (v) SELECT md5(random()::text) FROM generate_series(1, 500);
           DELETE FROM t WHERE id % 4 = ${writer} AND id % 97 = 0;
           UPDATE t SET v = 'x' WHERE id % 4 = ${writer} AND id % 89 = 0`,
        );
      }
    });
    const directory = backupDirectory();
    const report = await withBackups({ DATABASE_URL: url, BACKUP_DIR: directory }, (backups) =>
      backups.create(),
    );
    state.writing = false;
    await Promise.all(writers);
    const restored = await createDatabase(own, 'busy_restored');
    expect(await stockRestore(report.archive, restored)).toMatchObject({ exitCode: 0 });
    const manifest = manifestOf(directory, report.name);
    expect((await holdings(restored)).tables).toEqual(manifest.tables);
    const sequence = await query(restored, 'SELECT last_value FROM t_id_seq');
    expect(Number(sequence.rows[0].last_value)).toBeGreaterThanOrEqual(
      Number(manifest.sequences[0]?.lastValue),
    );
  });

  it('writes a complete manifest, and files that only their owner can read', async () => {
    const directory = path.join(backupDirectory(), 'made', 'here');
    const report = await withBackups(
      { DATABASE_URL: verified(own, clinic), BACKUP_DIR: directory, NODE_ENV: 'staging' },
      (backups) => backups.create({ reason: 'scheduled' }),
    );
    expect(report.name).toMatch(/^clinic_staging_\d{8}_\d{6}$/);
    expect(readdirSync(directory)).toEqual([`${report.name}.dump`, `${report.name}.manifest.json`]);
    expect(statSync(report.archive).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    const manifest = manifestOf(directory, report.name);
    const major = await pgDumpMajor();
    expect(manifest).toMatchObject({
      formatVersion: 1,
      name: report.name,
      environment: 'staging',
      reason: 'scheduled',
      database: 'clinic',
      systemIdentifier: expect.stringMatching(/^\d+$/),
      encoding: 'UTF8',
      snapshotId: expect.any(String),
      format: 'custom',
      compression: major < 16 ? 'gzip:1' : 'zstd:3',
      encryption: null,
      bytes: statSync(report.archive).size,
      sha256: report.sha256,
      toolVersions: { pgkeep: '0.1.0', pgDump: expect.stringMatching(new RegExp(`^${major}\\.`)) },
    });
    expect(manifest.migrations?.map(({ name }) => name)).toHaveLength(9);
    expect(manifest.migrations?.[0]?.checksum).toMatch(/^[0-9a-f]{64}$/);
    expect(manifest.tables.find(({ name }) => name === 'public.session_quiz_steps')?.rows).toBe(7172);
    expect(report).toMatchObject({ tables: manifest.tables.length, bytes: manifest.bytes, cleared: [] });
  });

  it('gives two runs in the same second different names', async () => {
    const directory = backupDirectory();
    const environment = { DATABASE_URL: clinic, BACKUP_DIR: directory };
    const reports = await withBackups(environment, (backups) =>
      Promise.all([backups.create(), backups.create(), backups.create()]),
    );
    expect(new Set(reports.map(({ name }) => name)).size).toBe(3);
    expect((await withBackups(environment, (backups) => backups.list())).backups).toHaveLength(3);
  });

  it('lists what has a manifest, newest first, and reports a manifest that cannot be read', async () => {
    const directory = backupDirectory();
    const environment = { DATABASE_URL: clinic, BACKUP_DIR: directory };
    await withBackups(environment, async (backups) => {
      expect(await backups.list()).toEqual({ backups: [], unreadable: [], unreachable: [] });
      const first = await backups.create();
      const second = await backups.create({ reason: 'pre-migration' });
      writeFileSync(path.join(directory, 'clinic_test_20260101_000000.dump'), 'half-made');
      writeFileSync(path.join(directory, '.clinic_test_20260101_000001.dump.part'), 'half-made');
      writeFileSync(path.join(directory, 'clinic_test_20260101_000002.manifest.json'), '{"formatVersion":1');
      const { backups: listed, unreadable } = await backups.list();
      expect(listed.map(({ name }) => name)).toEqual([second.name, first.name]);
      expect(listed[0]).toEqual({
        name: second.name,
        database: 'clinic',
        environment: 'test',
        systemIdentifier: expect.stringMatching(/^\d+$/),
        reason: 'pre-migration',
        origin: null,
        finishedAt: expect.stringMatching(/^\d{4}-.*Z$/),
        bytes: second.bytes,
        sha256: second.sha256,
        encrypted: false,
        pinned: false,
        locations: [directory],
        without: [],
        restoreTest: null,
      });
      expect(unreadable).toEqual(['clinic_test_20260101_000002.manifest.json']);
      rmSync(first.manifest);
      expect((await backups.list()).backups).toHaveLength(1);
    });
  });
});
