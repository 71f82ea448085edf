import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { run } from '../../src/core/process/run.js';
import { backupDirectory, pgDumpMajor } from '../support/backups.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('pgkeep backup, where it must fail', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    clinic = await createClinic(own, 'clinic', { seeded: true });
    await query(clinic, `CREATE ROLE reader LOGIN PASSWORD 'reader-secret'`);
  });
  beforeEach(() => {
    directory = backupDirectory();
  });
  afterAll(() => own.cluster.destroy());

  /** Runs the command; checks that no file, no listed backup and no running program is left. */
  async function failing(
    url: string,
    environment: Record<string, string> = {},
    argv: readonly string[] = ['backup'],
  ): Promise<{ code: number | null; stderr: string }> {
    const settings = { DATABASE_URL: url, BACKUP_DIR: directory, ...environment };
    const { code, stdout, stderr } = await runCli(argv, settings);
    expect(stdout).toBe('');
    expect(existsSync(directory) ? readdirSync(directory) : []).toEqual([]);
    const list = await runCli(['backup', 'list', '--json'], settings);
    expect(JSON.parse(list.stdout)).toMatchObject({ backups: [] });
    return { code, stderr };
  }

  const asReader = (url: string): string =>
    changedUrl(url, { username: 'reader', password: 'reader-secret' });

  it('wrong password, wrong host: exit 1 with the cause', async () => {
    expect(await failing(changedUrl(clinic, { password: 'hunter2' }))).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        /^Cannot back up 127\.0\.0\.1:\d+\/clinic: password authentication failed for user "postgres"\nCheck the user/,
      ),
    });
    expect(await failing('postgresql://u:hunter2@127.0.0.1:1/clinic')).toEqual({
      code: 1,
      stderr: expect.stringContaining('Cannot back up 127.0.0.1:1/clinic: connect ECONNREFUSED'),
    });
  });

  it('a table it may not read: names the table and the grant, which suffices', async () => {
    const { code, stderr } = await failing(asReader(clinic));
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^Cannot back up database "clinic": role "reader" may not read \d+ relations public\._prisma_migrations, public\.children, .* and \d+ more\.\nRun, as a superuser: GRANT pg_read_all_data TO "reader";\n$/,
    );
    await query(clinic, 'GRANT pg_read_all_data TO "reader"');
    const granted = await runCli(['backup', '--json'], {
      DATABASE_URL: asReader(clinic),
      BACKUP_DIR: directory,
    });
    expect(granted.code).toBe(0);
    expect(JSON.parse(granted.stdout)).toMatchObject({ tables: 10 });
    await query(clinic, 'REVOKE pg_read_all_data FROM "reader"');
  });

  it('row-level security hides rows: names the table instead of dumping a part', async () => {
    const url = await createDatabase(own, 'secured');
    await query(
      url,
      `CREATE TABLE notes (id int, owner text); INSERT INTO notes VALUES (1, 'reader'), (2, 'other');
       ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON notes USING (owner = current_user);
       GRANT SELECT ON notes TO reader`,
    );
    expect(await failing(asReader(url))).toEqual({
      code: 1,
      stderr:
        'Cannot back up database "secured": row-level security hides rows of table public.notes from role "reader".\nRun, as a superuser: ALTER ROLE "reader" BYPASSRLS;\n',
    });
  });

  it('a database of another environment: exit 3', async () => {
    const url = await createDatabase(own, 'stamped');
    for (const argv of [['install'], ['stamp', 'production']]) await runCli(argv, { DATABASE_URL: url });
    expect(await failing(url, { NODE_ENV: 'staging' })).toEqual({
      code: 3,
      stderr:
        'Refused to back up the database: this is staging (NODE_ENV), and the database is stamped production. Nothing was touched.\nUse `--env production`, or point DATABASE_URL at the staging database.\n',
    });
  });

  it('a directory that is a file', async () => {
    const file = path.join(emptyDirectory(), 'file');
    writeFileSync(file, '');
    const { code, stderr } = await runCli(['backup'], { DATABASE_URL: clinic, BACKUP_DIR: file });
    expect([code, stderr]).toEqual([1, expect.stringContaining(`Cannot `)]);
    expect(stderr).toContain(file);
  });

  it('a compression that this pg_dump does not support: exit 78', async () => {
    const settings = { DATABASE_URL: clinic, BACKUP_DIR: directory, BACKUP_COMPRESSION: 'zstd:3' };
    const { code, stderr } = await runCli(['backup'], settings);
    const refusal = /^BACKUP_COMPRESSION is zstd:3, which pg_dump 1[0-5]\.\d+ does not support\.\nUse none/;
    const hasZstd = (await pgDumpMajor()) >= 16;
    expect([code, refusal.test(stderr)]).toEqual(hasZstd ? [0, false] : [78, true]);
    const wrong = { DATABASE_URL: clinic, BACKUP_DIR: directory, BACKUP_COMPRESSION: 'best' };
    expect((await runCli(['backup'], wrong)).stderr).toContain(
      'BACKUP_COMPRESSION must be none, gzip:1 to gzip:9, lz4:1 to lz4:12 or zstd:1 to zstd:22; it is "best"',
    );
  });

  // Mounting needs root; the container and CI run as root.
  const onRoot = process.getuid?.() === 0 ? describe : describe.skip;
  onRoot('on a small disk (only root can mount one)', () => {
    async function withSmallDisk(megabytes: number, work: () => Promise<void>): Promise<void> {
      directory = path.join(emptyDirectory(), 'disk');
      mkdirSync(directory);
      const env = { PATH: process.env['PATH'] };
      const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory], {
        env,
      });
      expect(mounted).toMatchObject({ exitCode: 0, stderrTail: '' });
      try {
        await work();
      } finally {
        await run('umount', [directory], { env });
        rmSync(directory, { recursive: true });
      }
    }

    it('not enough space: refused in advance', async () => {
      await withSmallDisk(1, async () => {
        const { code, stderr } = await failing(clinic);
        expect(code).toBe(1);
        const hint =
          'Free space there, or point BACKUP_DIR to a directory on a larger disk. If the archive will be smaller, set BACKUP_REQUIRED_FREE_MB to its size; 0 switches this check off.\n';
        const [why, ...rest] = stderr.split('\n');
        expect([why?.replaceAll(/\d+\.\d MB/g, 'N MB'), rest.join('\n')]).toEqual([
          `Cannot back up to ${directory}: not enough free space. About N MB are needed (a quarter of the database’s N MB, for a first backup), N MB are free.`,
          hint,
        ]);
        expect(await failing(clinic, { BACKUP_REQUIRED_FREE_MB: '2' })).toEqual({
          code: 1,
          stderr: `Cannot back up to ${directory}: not enough free space. About 2.0 MB are needed (BACKUP_REQUIRED_FREE_MB), 1.0 MB are free.\n${hint}`,
        });
        const settings = { DATABASE_URL: clinic, BACKUP_DIR: directory, BACKUP_REQUIRED_FREE_MB: '0' };
        expect(await runCli(['backup'], settings)).toMatchObject({ code: 0 });
      });
    });

    it('a disk that becomes full during the backup: nothing is left', async () => {
      const url = await createDatabase(own, 'dense');
      await query(
        url,
        `CREATE TABLE t AS SELECT decode(string_agg(md5(random()::text), ''), 'hex') AS b
           FROM generate_series(1, 500000) i GROUP BY i / 1000`,
      );
      await withSmallDisk(8, async () => {
        const { code, stderr } = await failing(url);
        expect(code).toBe(1);
        expect(stderr).toMatch(/^Cannot write .*: ENOSPC: no space left on device/);
      });
    });
  });
});
