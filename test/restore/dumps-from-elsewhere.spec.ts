import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { RestoreService } from '../../src/restore/restore/restore.service.js';
import type { Restoration } from '../../src/restore/restore/restore.types.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { withApp } from '../support/app.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const { bin, libraryPath } = findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? '');
const env = { PATH: '/usr/bin:/bin', LD_LIBRARY_PATH: libraryPath };

describe('a dump that was made elsewhere', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'orchard');
    await query(
      url,
      `CREATE TABLE trees AS SELECT i AS id, 'tree ' || i AS name FROM generate_series(1, 50) i`,
    );
    directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-elsewhere-'));
  });
  afterAll(() => own.cluster.destroy());

  const at = (name: string): string => path.join(directory, name);

  function program(name: string, ...argv: string[]): void {
    execFileSync(path.join(bin, name), argv, { env });
  }

  async function restore(source: string): Promise<Restoration> {
    const environment = { BACKUP_DIR: backupDirectory(), PATH: process.env['PATH'] };
    return await withApp(url, (app) => app.get(RestoreService).restore({ source }), environment);
  }

  async function plan(source: string): Promise<unknown> {
    const environment = { BACKUP_DIR: backupDirectory(), PATH: process.env['PATH'] };
    return await withApp(url, (app) => app.get(RestoreService).plan({ source }), environment);
  }

  it.each(['directory', 'tar', 'custom', 'plain'])('in the format %s is restored', async (format) => {
    program('pg_dump', `--format=${format}`, `--file=${at(format)}`, url);
    await query(url, 'DELETE FROM trees');
    expect((await restore(at(format))).notes).toEqual([
      'the dump has no manifest: only its foreign keys were checked',
    ]);
    expect((await query(url, 'SELECT count(*)::int AS trees FROM trees')).rows).toEqual([{ trees: 50 }]);
  });

  it('in a format that is not supported is refused before anything is done, with the next step', async () => {
    program('pg_dump', '--format=directory', `--file=${at('packed')}`, url);
    execFileSync('tar', ['--create', '--file', at('packed.tar'), '--directory', directory, 'packed']);
    program('pg_dump', '--format=custom', `--file=${at('once')}`, url);
    writeFileSync(at('twice.gz'), gzipSync(Buffer.alloc(100, 'PGDMP')));
    program('pg_dump', '--create', `--file=${at('created.sql')}`, url);
    program('pg_dumpall', '--globals-only', `--dbname=${url}`, `--file=${at('all.sql')}`);
    mkdirSync(at('nothing'));
    writeFileSync(at('empty.sql'), '');
    writeFileSync(at('mysql.sql'), '-- MySQL dump 10.13\n\nCREATE TABLE `t` (`id` int);\n');
    writeFileSync(
      at('powershell.sql'),
      Buffer.from('\ufeff--\r\n-- PostgreSQL database dump\r\n', 'utf16le'),
    );
    writeFileSync(at('dump.zst'), Buffer.from('28b52ffd2400', 'hex'));
    writeFileSync(at('dump.xz'), Buffer.from('fd377a585a00', 'hex'));
    writeFileSync(at('dump.zip'), Buffer.from('504b030414', 'hex'));
    writeFileSync(at('cut.gz'), Buffer.from('1f8b08', 'hex'));
    const refusals = {
      'packed.tar': [
        'is a tar file, but not a dump of `pg_dump --format=tar`: its first entry is packed/.',
        `Extract it first: \`tar --extract --file ${at('packed.tar')}\`. Then restore the extracted dump.`,
      ],
      'twice.gz': [
        'is a pg_dump archive or a tar file that was compressed again with gzip.',
        `Decompress it first: \`gunzip --keep ${at('twice.gz')}\`. Then restore the result.`,
      ],
      'created.sql': [
        'contains psql’s command \\connect (pg_dump --create): its rows would be written into another database than the restored one.',
        'Create the dump without --create, or with `pg_dump --format=custom`.',
      ],
      'all.sql': [
        'is a dump of a complete server (pg_dumpall), and pgkeep restores one database.',
        'Restore it with psql into an empty server, then dump the one database from there: `pg_dump --format=custom`.',
      ],
      nothing: [
        'is not a dump of `pg_dump --format=directory`: it contains no file toc.dat.',
        'Give the path of a dump file, or of the directory that pg_dump wrote.',
      ],
      'empty.sql': ['is empty.', 'Create the dump again.'],
      'mysql.sql': [
        'is not a dump: it does not begin like the output of pg_dump.',
        'Give the path of a file that pg_dump or pgkeep wrote.',
      ],
      'powershell.sql': [
        'is UTF-16 text, which psql cannot read. PowerShell’s > writes it.',
        `Convert it first: \`iconv --from-code=UTF-16 --to-code=UTF-8 --output dump.sql ${at('powershell.sql')}\`. Or create the dump with \`pg_dump --file\`.`,
      ],
      'dump.zst': [
        'is compressed with zstd, which pgkeep cannot read.',
        `Decompress it first: \`unzstd --keep ${at('dump.zst')}\`. Then restore the result.`,
      ],
      'dump.xz': [
        'is compressed with xz, which pgkeep cannot read.',
        `Decompress it first: \`unxz --keep ${at('dump.xz')}\`. Then restore the result.`,
      ],
      'dump.zip': [
        'is compressed with zip, which pgkeep cannot read.',
        `Decompress it first: \`unzip ${at('dump.zip')}\`. Then restore the result.`,
      ],
      'cut.gz': ['is damaged: gunzip cannot decompress it.', 'Use another copy of it.'],
    };
    for (const [name, [why, hint]] of Object.entries(refusals)) {
      const refusal = { code: 'USAGE_INVALID', message: `${at(name)} ${why}`, hint };
      await expect(plan(at(name))).rejects.toMatchObject(refusal);
    }
    const { rows } = await query(
      url,
      `SELECT count(*)::int AS databases FROM pg_database WHERE datname LIKE 'orchard%'`,
    );
    // The four rows of the previous test.
    expect(rows).toEqual([{ databases: 5 }]);
  });

  it('cannot make psql connect to another database', async () => {
    const other = await createDatabase(own, 'precious');
    const sql = execFileSync(path.join(bin, 'pg_dump'), [url], { env })
      .toString()
      .replaceAll(/^\\(un)?restrict .*\n/gm, '');
    writeFileSync(
      at('led.sql'),
      sql.replace(
        'COPY public.trees',
        `${'-- further on\n'.repeat(2000)}\\connect precious\nCREATE TABLE astray ();\nCOPY public.trees`,
      ),
    );
    await expect(restore(at('led.sql'))).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      message: expect.stringMatching(
        /^Cannot restore \S+led\.sql: psql ended with exit code 3: psql:<stdin>:\d+: error: backslash commands are restricted; only \\unrestrict is allowed\. Database "orchard" was not changed\.$/,
      ),
    });
    expect((await query(other, `SELECT to_regclass('astray') AS astray`)).rows).toEqual([{ astray: null }]);
  });
});
