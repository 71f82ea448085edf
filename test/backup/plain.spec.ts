import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { verifyContents } from '../../src/backup/verify/verify-contents.js';
import { ClosingLine } from '../../src/backup/create/plain-dump.js';
import { backupDirectory, holdings, stockPsql, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { stockAge, stockKey } from '../support/stock-age.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('a plain backup', () => {
  let own: ThrowAwayCluster;
  let environment: Record<string, string>;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const url = await createDatabase(own, 'hard');
    await query(url, readFileSync('test/support/awkward.sql', 'utf8'));
    environment = { DATABASE_URL: url, BACKUP_FORMAT: 'plain' };
  });
  beforeEach(() => {
    directory = backupDirectory();
    environment['BACKUP_DIR'] = directory;
  });
  afterAll(() => own.cluster.destroy());

  it('is SQL that gunzip and psql restore exactly', async () => {
    const before = await holdings(environment['DATABASE_URL'] ?? '');
    const report = await withBackups(environment, (backups) => backups.create());
    expect(readdirSync(directory)).toEqual([`${report.name}.manifest.json`, `${report.name}.sql.gz`]);
    expect(JSON.parse(readFileSync(report.manifest, 'utf8'))).toMatchObject({
      archive: `${report.name}.sql.gz`,
      format: 'plain',
      compression: 'gzip:1',
    });
    const restored = await createDatabase(own, 'from_sql');
    await stockPsql(gunzipSync(readFileSync(report.archive)), restored);
    expect(await holdings(restored)).toEqual(before);
    await withBackups(environment, async (backups) => {
      expect(await backups.verify(report.name)).toMatchObject({ verdict: 'passed', notChecked: [] });
      const handed = await backups.withArchive(
        report.name,
        new AbortController().signal,
        async ({ file, manifest }) => [file, manifest.format],
      );
      expect(handed).toEqual([report.archive, 'plain']);
      truncateSync(report.archive, report.bytes - 20);
      const { findings } = await backups.verify(report.name);
      expect(findings.map(({ code }) => code)).toEqual([
        'SIZE_DIFFERS',
        'DIGEST_DIFFERS',
        'ARCHIVE_UNREADABLE',
      ]);
      expect(findings[2]?.details).toBe('gunzip: unexpected end of file');
    });
  });

  it('can be encrypted: age, gunzip, psql', async () => {
    const key = await stockKey(path.join(emptyDirectory(), 'key.txt'));
    const encrypted = {
      ...environment,
      BACKUP_ENCRYPTION_ENABLED: 'true',
      BACKUP_ENCRYPTION_KEY: key.recipient,
      BACKUP_ENCRYPTION_IDENTITY: key.identity,
    };
    await withBackups(encrypted, async (backups) => {
      const report = await backups.create();
      expect(path.basename(report.archive)).toBe(`${report.name}.sql.gz.age`);
      expect(report.notChecked).toEqual([]);
      const opened = path.join(directory, 'opened.sql.gz');
      await stockAge('-d', '-i', key.file, '-o', opened, report.archive);
      await stockPsql(gunzipSync(readFileSync(opened)), await createDatabase(own, 'from_age'));
      await backups.remove(report);
      expect(readdirSync(directory)).toEqual(['opened.sql.gz']);
    });
  });

  it('is incomplete if it is cut at any position before the closing line', async () => {
    const { archive } = await withBackups(environment, (backups) => backups.create());
    const sql = gunzipSync(readFileSync(archive));
    const inspection = {
      format: 'plain',
      keys: undefined,
      findPgRestore: () => Promise.reject(new Error('not needed')),
    } as const;
    const faultOf = async (bytes: Buffer): Promise<string | undefined> =>
      (await verifyContents(inPieces(gzipSync(bytes)), inspection, new AbortController().signal)).fault;
    expect(await faultOf(sql)).toBeUndefined();
    for (const cut of [0, 1, 1000, Math.floor(sql.length / 2), sql.lastIndexOf('complete')]) {
      expect(await faultOf(sql.subarray(0, cut))).toBe(
        'it is truncated: the closing line "PostgreSQL database dump complete" is missing',
      );
    }
    expect(await faultOf(Buffer.concat([sql, Buffer.from('SELECT 1;\n')]))).toContain('it is truncated');
  });

  it('recognises the closing line of old and recent dumps, whatever the chunks', async () => {
    for (const ending of ['\n', '\n\\unrestrict bQ4Zk1\n\n']) {
      const closing = new ClosingLine();
      const text = `x\n--\n-- PostgreSQL database dump complete\n--\n${ending}`;
      const watched = closing.watch(inPieces(Buffer.from(text), 1));
      for (let next = await watched.next(); !next.done;) next = await watched.next();
      expect(closing.wasSeen).toBe(true);
    }
  });

  it('accepts gzip only: exit 78', async () => {
    writeFileSync(path.join(directory, '.keep'), '');
    const wrong = { ...environment, BACKUP_COMPRESSION: 'zstd:3' };
    expect(await runCli(['backup'], wrong)).toEqual({
      code: 78,
      stdout: '',
      stderr:
        'One setting is invalid:\n  BACKUP_COMPRESSION must be gzip:1 to gzip:9 if BACKUP_FORMAT is plain; it is "zstd:3"\nEvery setting is described in .env.example and in docs/settings.md.\n',
    });
  });
});

async function* inPieces(bytes: Buffer, size = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
