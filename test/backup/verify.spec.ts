import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupReport, VerificationReport } from '../../src/backup/backup.types.js';
import { findTool } from '../../src/backup/postgres-tools.js';
import { readStoredArchive } from '../../src/backup/verify/verify-contents.js';
import { LocalStorage } from '../../src/storage/local/local-storage.js';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createClinic } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

describe('backup verify', () => {
  let own: ThrowAwayCluster;
  let environment: Record<string, string>;
  let report: BackupReport;
  let other: BackupReport;
  let whole: Buffer;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const url = await createClinic(own, 'clinic', { seeded: true });
    environment = { DATABASE_URL: url, BACKUP_DIR: backupDirectory() };
    [report, other] = await withBackups(environment, async (backups) => [
      await backups.create(),
      await backups.create(),
    ]);
    whole = readFileSync(report.archive);
  });
  afterAll(() => own.cluster.destroy());

  async function verdictAfter(damage: () => void): Promise<VerificationReport> {
    damage();
    const verification = await withBackups(environment, (backups) => backups.verify(report.name));
    writeFileSync(report.archive, whole);
    return verification;
  }

  function codesOf({ findings }: VerificationReport): string[] {
    return findings.map(({ code }) => code);
  }

  it('passes an intact backup, given by name or by one of its files', async () => {
    for (const text of [report.name, report.archive, report.manifest]) {
      expect(await withBackups(environment, (backups) => backups.verify(text))).toEqual({
        name: report.name,
        verdict: 'passed',
        without: [],
        findings: [],
        notChecked: [],
        locations: [environment['BACKUP_DIR']],
      });
    }
  });

  it.each([0.999, 0.99, 0.6, 0.2])('detects an archive cut to %s', async (part) => {
    const found = await verdictAfter(() => truncateSync(report.archive, Math.floor(report.bytes * part)));
    expect(found.verdict).toBe('failed');
    expect(codesOf(found)).toEqual(['SIZE_DIFFERS', 'DIGEST_DIFFERS', 'ARCHIVE_UNREADABLE']);
  });

  it('detects an empty archive', async () => {
    const found = await verdictAfter(() => truncateSync(report.archive, 0));
    expect(codesOf(found)).toEqual(['SIZE_DIFFERS', 'DIGEST_DIFFERS', 'ARCHIVE_UNREADABLE']);
  });

  it('detects one flipped bit at every position', async () => {
    for (const part of [0.01, 0.3, 0.5, 0.7, 0.99]) {
      const found = await verdictAfter(() => {
        const damaged = Buffer.from(whole);
        const at = Math.floor(damaged.length * part);
        damaged[at] = (damaged[at] ?? 0) ^ 4;
        writeFileSync(report.archive, damaged);
      });
      expect(codesOf(found)).toContain('DIGEST_DIFFERS');
    }
  });

  it('detects bytes after the end, another archive, and a missing one', async () => {
    const longer = await verdictAfter(() => writeFileSync(report.archive, 'x'.repeat(1e6), { flag: 'a' }));
    expect(codesOf(longer).slice(0, 2)).toEqual(['SIZE_DIFFERS', 'DIGEST_DIFFERS']);
    expect(codesOf(await verdictAfter(() => copyFileSync(other.archive, report.archive)))).toContain(
      'DIGEST_DIFFERS',
    );
    expect(codesOf(await verdictAfter(() => rmSync(report.archive)))).toEqual(['ARCHIVE_MISSING']);
  });

  it('detects manifest and archive of another backup under this name', async () => {
    const manifest = readFileSync(report.manifest);
    copyFileSync(other.manifest, report.manifest);
    const found = await verdictAfter(() => copyFileSync(other.archive, report.archive));
    writeFileSync(report.manifest, manifest);
    expect(codesOf(found)).toEqual(['NAME_DIFFERS']);
  });

  it('reports a missing backup and an unreadable manifest', async () => {
    await expect(withBackups(environment, (backups) => backups.verify('nope'))).rejects.toMatchObject({
      code: 'BACKUP_NOT_FOUND',
    });
    await expect(
      withBackups(environment, (backups) => backups.verify('../../etc/passwd')),
    ).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    const manifest = readFileSync(report.manifest);
    writeFileSync(report.manifest, manifest.subarray(0, 100));
    await expect(withBackups(environment, (backups) => backups.verify(report.name))).rejects.toMatchObject({
      code: 'BACKUP_MANIFEST_UNREADABLE',
    });
    writeFileSync(report.manifest, manifest);
  });

  it('ends by a signal that arrives while the archive is opened', async () => {
    const abort = new AbortController();
    const opened: Readable[] = [];
    class InterruptedStorage extends LocalStorage {
      override async get(key: string): Promise<Readable> {
        const body = await super.get(key);
        opened.push(body);
        abort.abort('Ctrl-C');
        return body;
      }
    }
    const inspection = {
      keys: undefined,
      format: 'custom',
      findPgRestore: async () => {
        await until(() => opened.every(({ closed }) => closed), 5000, 'the end of the stream');
        return await findTool({
          program: 'pg_restore',
          atLeastMajor: 15,
          searchPath: process.env['PATH'] ?? '',
        });
      },
    } as const;
    const directory = new InterruptedStorage(path.dirname(report.archive));
    const reading = readStoredArchive(directory, path.basename(report.archive), inspection, abort);
    await expect(reading).rejects.toBe('Ctrl-C');
  });
});
