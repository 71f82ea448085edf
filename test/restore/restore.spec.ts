import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { BackupReport } from '../../src/backup/backup.types.js';
import { backupDirectory, holdings, stockDump, withBackups } from '../support/backups.js';
import { CLINIC_MIGRATIONS, createClinic, createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const PRODUCTION = ['--confirm', 'RESTORE_PRODUCTION', '--target', 'clinic'];

describe('pgkeep restore', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const pristine = await createClinic(own, 'pristine', { seeded: true });
    for (const argv of [['install'], ['stamp', 'production']]) await runCli(argv, { DATABASE_URL: pristine });
    await query(own.cluster.url('postgres'), `CREATE ROLE weak LOGIN PASSWORD 'weak-secret'`);
  });
  beforeEach(async () => {
    for (const name of (await databases()).filter((known) => /^(clinic|other)/.test(known))) {
      await query(own.cluster.url('postgres'), `DROP DATABASE "${name.replaceAll('"', '""')}" WITH (FORCE)`);
    }
    clinic = await createDatabase(own, 'clinic', 'pristine');
    environment = {
      NODE_ENV: 'production',
      DATABASE_URL: clinic,
      BACKUP_DIR: backupDirectory(),
      MIGRATIONS_DIR: CLINIC_MIGRATIONS,
    };
    await query(
      clinic,
      `UPDATE pgkeep.database_environment
          SET database_oid = (SELECT oid FROM pg_database WHERE datname = 'clinic')`,
    );
  });
  afterAll(() => own.cluster.destroy());

  async function databases(): Promise<string[]> {
    const { rows } = await query(own.cluster.url('postgres'), 'SELECT datname FROM pg_database ORDER BY 1');
    return rows.map(({ datname }) => String(datname));
  }

  const backUp = async (): Promise<BackupReport> =>
    await withBackups(environment, (backups) => backups.create());

  const count = async (url: string, table: string): Promise<number> =>
    Number((await query(url, `SELECT count(*) FROM ${table}`)).rows[0]?.count);

  it('restores the database as it was, keeps the replaced one, and says how to return to it', async () => {
    const backup = await backUp();
    const before = await holdings(clinic);
    await query(clinic, `DELETE FROM session_quiz_steps; ALTER TABLE children ADD COLUMN later text`);
    const { code, stdout, stderr } = await runCli(['restore', backup.name, ...PRODUCTION], environment);
    const replaced = (await databases()).find((name) => name.startsWith('clinic_replaced_')) ?? '';
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        new RegExp(
          `^Restored ${backup.name} into database "clinic" in \\d+\\.\\d s\\. 13 comparisons passed\\.\n` +
            `Backup of the replaced database: clinic_production_\\d+_\\d+\n` +
            `The replaced database is kept as "${replaced}"\\.\n` +
            `  To go back, stop the application, connect psql to database "postgres", and run:\n` +
            `    BEGIN; ALTER DATABASE "clinic" RENAME TO "clinic_restored"; ALTER DATABASE "${replaced}" RENAME TO "clinic"; COMMIT;\n` +
            `  To remove it when it is no longer needed:\n` +
            `    DROP DATABASE "${replaced}";\n$`,
        ),
      ),
    ]);
    expect(stderr).toContain(`into      database "clinic" (production) on PostgreSQL`);
    const after = await holdings(clinic);
    const applications = (held: typeof after): unknown =>
      held.tables.filter(({ name }) => name.startsWith('public.'));
    expect(applications(after)).toEqual(applications(before));
    expect(after.catalogue).toEqual(before.catalogue);
    expect(await count(own.cluster.url(replaced), 'session_quiz_steps')).toBe(0);
    expect((await databases()).filter((name) => name.includes('restoring'))).toEqual([]);
    const ready = await runCli(['ready', '--json'], environment);
    expect(JSON.parse(ready.stdout).checks.environment).toEqual({ ok: true, details: 'production' });
  });

  it('brings back no lease, no measurement, no alert and no ended session: they are true of the database that was replaced', async () => {
    await query(
      clinic,
      `INSERT INTO pgkeep.lease VALUES ('monitor', 'a dead replica', 7, now() + interval '1 year');
       INSERT INTO pgkeep.sample VALUES (1, now(), '{}');
       INSERT INTO pgkeep.monitoring_report VALUES (1, now(), '{}');
       INSERT INTO pgkeep.table_size VALUES (now(), 'children', 1, 1);
       INSERT INTO pgkeep.index_scans VALUES (now(), 'children_pkey', 1);
       INSERT INTO pgkeep.alert VALUES ('a', 'firing', '{}');
       INSERT INTO pgkeep.alert_delivery (id, receiver, alert_ids, notice) VALUES (gen_random_uuid(), 'slack', '{a}', '{}');
       INSERT INTO pgkeep.alert_silence VALUES (1, 'BLOCKED', NULL, now(), 'a test', 'a tester');
       INSERT INTO pgkeep.ended_session VALUES (gen_random_uuid(), 'infinity');`,
    );
    const backup = await backUp();
    const manifest: unknown = JSON.parse(readFileSync(backup.manifest, 'utf8'));
    const without = [
      'lease',
      'sample',
      'monitoring_report',
      'table_size',
      'index_scans',
      'alert',
      'alert_delivery',
      'alert_silence',
      'ended_session',
    ];
    expect(manifest).toMatchObject({
      tablesWithoutRows: without.map((name) => `pgkeep.${name}`),
      without: [],
    });
    const { code, stdout } = await runCli(['restore', backup.name, ...PRODUCTION], environment);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/ 13 comparisons passed\.\n/)]);
    const rows = await Promise.all(without.map((name) => count(clinic, `pgkeep.${name}`)));
    expect(rows).toEqual(without.map(() => 0));
  });

  it('carries over audit log entries since the backup, and records itself', async () => {
    const backup = await backUp();
    expect(
      (
        await runCli(['restore', 'test', backup.name], {
          ...environment,
          TEST_DATABASE_URL: own.cluster.url('postgres'),
        })
      ).code,
    ).toBe(0);
    expect((await runCli(['restore', backup.name, ...PRODUCTION], environment)).code).toBe(0);
    const log = JSON.parse((await runCli(['changelog', '--json'], environment)).stdout);
    expect(log.entries.map(({ action }: { action: string }) => action)).toEqual([
      'install',
      'stamp',
      'backup',
      'restore-test',
      'backup',
      'restore',
    ]);
    expect(log.entries.at(-1).details).toMatchObject({
      backup: backup.name,
      carriedOver: 4,
      archiveSha256: backup.sha256,
    });
    expect((await runCli(['changelog', '--verify'], environment)).code).toBe(0);
    const tests = await runCli(['restore', 'history'], environment);
    expect([tests.code, tests.stdout]).toEqual([
      0,
      expect.stringContaining('The chain of evidence (1 test) is intact.'),
    ]);
  });

  it('keeps properties of the database that are not in the archive: settings, grants, limit, comment, owner', async () => {
    const backup = await backUp();
    await query(clinic, `ALTER DATABASE clinic SET search_path TO "$user", public`);
    await query(clinic, `ALTER DATABASE clinic SET statement_timeout TO '5min'`);
    await query(clinic, `ALTER ROLE weak IN DATABASE clinic SET work_mem TO '7MB'`);
    await query(clinic, 'ALTER DATABASE clinic CONNECTION LIMIT 50');
    await query(clinic, 'REVOKE CONNECT ON DATABASE clinic FROM PUBLIC');
    await query(clinic, 'GRANT CONNECT ON DATABASE clinic TO weak WITH GRANT OPTION');
    await query(clinic, `COMMENT ON DATABASE clinic IS 'children''s clinic'`);
    const properties = `SELECT (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(d.datacl) a) AS acl, d.datconnlimit, pg_get_userbyid(d.datdba) AS owner,
        shobj_description(d.oid, 'pg_database') AS comment,
        (SELECT array_agg(s.setrole::regrole || ':' || s.setconfig::text ORDER BY 1) FROM pg_db_role_setting s
          WHERE s.setdatabase = d.oid)::text AS settings
      FROM pg_database d WHERE datname = 'clinic'`;
    const before = (await query(clinic, properties)).rows;
    expect((await runCli(['restore', backup.name, ...PRODUCTION], environment)).code).toBe(0);
    expect((await query(clinic, properties)).rows).toEqual(before);
  });

  it('swaps while clients reconnect continuously: none of them sees an incomplete database', async () => {
    const backup = await backUp();
    const seen = new Set<number>();
    const errors = new Set<string>();
    const state = { working: true };
    const clients = Array.from({ length: 6 }, async () => {
      while (state.working) {
        const client = new Client({ connectionString: clinic });
        client.on('error', () => undefined);
        try {
          await client.connect();
          for (let round = 0; round < 50 && state.working; round += 1) {
            seen.add(Number((await client.query('SELECT count(*) FROM children')).rows[0]?.count));
          }
        } catch (error) {
          if (typeof error === 'object' && error !== null) errors.add(String(Reflect.get(error, 'code')));
        } finally {
          await client.end().catch(() => undefined);
        }
      }
    });
    const restored = await runCli(['restore', backup.name, ...PRODUCTION], environment);
    state.working = false;
    await Promise.all(clients);
    expect([restored.code, restored.stderr]).toEqual([0, expect.any(String)]);
    expect(seen).toEqual(new Set([await count(clinic, 'children')]));
    // Ended by the swap, or connecting during the rename.
    expect(
      [...errors].filter((code) => !['57P01', '3D000', 'undefined', 'ECONNRESET'].includes(code)),
    ).toEqual([]);
  });

  it.each([
    [
      [],
      /a restore into production was not confirmed\. Nothing was changed\.\nType RESTORE_PRODUCTION when asked/,
    ],
    [['--confirm', 'RESTORE_PRODUCTION'], /was not confirmed/],
    [['--target', 'clinic'], /was not confirmed/],
    [['--confirm', 'yes', '--target', 'clinic'], /was not confirmed/],
    [
      ['--confirm', 'RESTORE_PRODUCTION', '--target', 'clinics'],
      /--target is "clinics", but DATABASE_URL leads to database "clinic"/,
    ],
  ])('production requires both words: %j is refused', async (argv, message) => {
    const backup = await backUp();
    const before = await databases();
    const { code, stdout, stderr } = await runCli(['restore', backup.name, ...argv], environment);
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(message);
    expect(await databases()).toEqual(before);
    expect((await withBackups(environment, (backups) => backups.list())).backups).toHaveLength(1);
  });

  it('another environment’s backup is restored only with --from-other, and the stamp is kept', async () => {
    const backup = await backUp();
    await createDatabase(own, 'other', 'template0');
    const staging = { ...environment, NODE_ENV: 'staging', DATABASE_URL: own.cluster.url('other') };
    for (const argv of [['install'], ['stamp', 'staging']]) await runCli(argv, staging);
    expect(await runCli(['restore', backup.name], staging)).toMatchObject({
      code: 3,
      stderr: `Refused to restore: the backup is of clinic_production, not of database "other" in this environment. Nothing was changed.\nTo restore it here, with all personal data in it, add \`--from-other clinic_production\`.\n`,
    });
    const { code, stderr, stdout } = await runCli(
      ['restore', backup.name, '--from-other', 'clinic_production'],
      staging,
    );
    expect(code).toBe(0);
    expect(stderr).toContain(
      'WARNING   the backup is of clinic_production: everyone who can read this database will be able to read its personal data\n',
    );
    expect(stdout).toContain(
      'note: pgkeep.change_log was not carried over: the restored database has another history\n',
    );
    const ready = JSON.parse((await runCli(['ready', '--json'], staging)).stdout);
    expect(ready.checks.environment).toEqual({ ok: true, details: 'staging' });
  });

  it('a database that runs as another environment is refused', async () => {
    const backup = await backUp();
    const { code, stderr } = await runCli(['restore', backup.name], { ...environment, NODE_ENV: 'staging' });
    expect([code, stderr]).toEqual([
      3,
      'Refused to restore: this is staging (NODE_ENV), and the database is stamped production. Nothing was changed.\nUse `--env production`, or point DATABASE_URL at the staging database.\n',
    ]);
  });

  it('a database that is gone is created', async () => {
    const backup = await backUp();
    const before = await holdings(clinic);
    await query(own.cluster.url('postgres'), 'DROP DATABASE clinic WITH (FORCE)');
    const { code, stdout, stderr } = await runCli(['restore', backup.name, ...PRODUCTION], environment);
    expect(code).toBe(0);
    expect(stderr).toContain(', which does not exist and is created\n');
    expect(stdout).toMatch(/^Restored .* into database "clinic" in .* comparisons passed\.\n$/);
    expect((await holdings(clinic)).catalogue).toEqual(before.catalogue);
    const ready = JSON.parse((await runCli(['ready', '--json'], environment)).stdout);
    expect(ready.checks.environment.ok).toBe(true);
  });

  it('names the roles that a new server lacks, and restores without them only with --no-owner', async () => {
    await query(clinic, 'CREATE ROLE clinic_owner');
    await query(clinic, 'ALTER TABLE children OWNER TO clinic_owner');
    const backup = await backUp();
    await query(own.cluster.url('postgres'), 'DROP DATABASE clinic WITH (FORCE)');
    await query(own.cluster.url('postgres'), 'DROP ROLE clinic_owner');
    const refused = await runCli(['restore', backup.name, ...PRODUCTION], environment);
    expect([refused.code, refused.stderr]).toEqual([
      3,
      expect.stringContaining(
        'Refused to restore: the backup uses roles that do not exist on this server: "clinic_owner". Nothing was changed.\nCreate them: CREATE ROLE "clinic_owner"; Or restore without owners and grants, so that role "postgres" owns everything: `--no-owner`.\n',
      ),
    ]);
    expect((await runCli(['restore', backup.name, ...PRODUCTION, '--no-owner'], environment)).code).toBe(0);
  });

  it('a role without the privileges: refused, with the grant to give', async () => {
    const backup = await backUp();
    const weak = {
      ...environment,
      DATABASE_URL: changedUrl(clinic, { username: 'weak', password: 'weak-secret' }),
    };
    expect(await runCli(['restore', backup.name, ...PRODUCTION], weak)).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'Refused to restore: role "weak" cannot create databases, and a restore creates a new one before it replaces the old one. Nothing was changed.\n' +
        'Grant it as a superuser: ALTER ROLE "weak" CREATEDB;\n',
    });
    await query(clinic, 'ALTER ROLE weak CREATEDB');
    expect((await runCli(['restore', backup.name, ...PRODUCTION], weak)).stderr).toBe(
      'Refused to restore: role "weak" does not own database "clinic", and only the owner can rename it. Nothing was changed.\n' +
        'Restore as its owner, or change the owner: ALTER DATABASE "clinic" OWNER TO "weak";\n',
    );
    await query(clinic, 'ALTER ROLE weak NOCREATEDB');
  });

  it('a damaged archive leaves the database unchanged', async () => {
    const backup = await backUp();
    const before = await databases();
    truncateSync(backup.archive, backup.bytes - 1000);
    const { code, stderr } = await runCli(['restore', backup.name, ...PRODUCTION], environment);
    expect([code, stderr]).toEqual([1, expect.stringContaining('is damaged')]);
    expect(await databases()).toEqual(before);
  });

  it('stops if the safety backup fails, unless --without-safety-backup is given', async () => {
    const backup = await backUp();
    const elsewhere = { ...environment, BACKUP_DIR: path.join(backup.manifest, 'below a file') };
    const refused = await runCli(['restore', backup.archive, ...PRODUCTION], elsewhere);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('Did not restore: database "clinic" could not be backed up first. '),
    ]);
    const { code, stdout } = await runCli(
      ['restore', backup.archive, ...PRODUCTION, '--without-safety-backup'],
      elsewhere,
    );
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining('note: the replaced database was not backed up: '),
    ]);
  });

  it('a dump of another tool, in either format: restored, and reports what it could not check', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-elsewhere-'));
    const backup = await backUp();
    const custom = path.join(directory, 'from elsewhere.dump');
    copyFileSync(backup.archive, custom);
    const plain = path.join(directory, 'seed.sql.gz');
    const text = stockDump(clinic);
    writeFileSync(plain, gzipSync(text));
    for (const file of [custom, plain]) {
      await query(clinic, 'DELETE FROM session_quiz_steps');
      const { code, stdout } = await runCli(['restore', file, ...PRODUCTION], environment);
      expect([code, stdout]).toEqual([
        0,
        expect.stringContaining('  note: the dump has no manifest: only its foreign keys were checked\n'),
      ]);
      expect(await count(clinic, 'session_quiz_steps')).toBe(7172);
    }
    const before = await databases();
    writeFileSync(plain, gzipSync(text.subarray(0, Math.floor(text.length * 0.8))));
    const cut = await runCli(['restore', plain, ...PRODUCTION], environment);
    expect([cut.code, cut.stderr]).toEqual([
      1,
      expect.stringMatching(/the dump is incomplete: its last line is missing|psql ended with exit code/),
    ]);
    writeFileSync(plain, readFileSync(custom).subarray(100));
    expect(await runCli(['restore', plain, ...PRODUCTION], environment)).toEqual({
      code: 2,
      stdout: '',
      stderr: `${plain} is not a dump: it does not begin like the output of pg_dump.\nGive the path of a file that pg_dump or pgkeep wrote.\n`,
    });
    writeFileSync(plain, 'age-encryption.org/v1\n');
    expect(await runCli(['restore', plain, ...PRODUCTION], environment)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        `${plain} is encrypted, and its manifest is not in the same directory.\n`,
      ),
    });
    expect(await databases()).toEqual(before);
  });

  it('a database that exists and cannot be read is replaced only with --without-safety-backup', async () => {
    const backup = await backUp();
    await query(own.cluster.url('postgres'), 'ALTER DATABASE clinic ALLOW_CONNECTIONS false');
    const refused = await runCli(['restore', backup.name, ...PRODUCTION], environment);
    expect([refused.code, refused.stderr]).toEqual([
      3,
      'Refused to restore: database "clinic" exists but cannot be read: database "clinic" is not currently accepting connections. Nothing was changed.\n' +
        'Fix that, or replace it without reading it: `--without-safety-backup`. It is kept under another name in any case.\n',
    ]);
    const argv = ['restore', backup.name, ...PRODUCTION, '--without-safety-backup'];
    expect((await runCli(argv, environment)).code).toBe(0);
    expect(await count(clinic, 'session_quiz_steps')).toBe(7172);
    expect((await databases()).filter((name) => name.startsWith('clinic_replaced_'))).toHaveLength(1);
  });

  it.each(['custom', 'plain'])(
    'a %s backup is restored with its ICU rules, even if the database is gone',
    async (format) => {
      await query(
        own.cluster.url('postgres'),
        `CREATE DATABASE other TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE' LOCALE 'C'`,
      );
      const swedish = {
        ...environment,
        NODE_ENV: 'staging',
        DATABASE_URL: own.cluster.url('other'),
        BACKUP_FORMAT: format,
      };
      await query(swedish.DATABASE_URL, `CREATE TABLE t (v text); INSERT INTO t VALUES ('å'), ('z')`);
      const { name } = await withBackups(swedish, (backups) => backups.create());
      await query(own.cluster.url('postgres'), 'DROP DATABASE other');
      expect((await runCli(['restore', name], swedish)).code).toBe(0);
      const sorted = await query(swedish.DATABASE_URL, 'SELECT array_agg(v ORDER BY v) AS v FROM t');
      expect(sorted.rows[0]?.v).toEqual(['z', 'å']);
    },
  );

  it('single tables are restored into an additional database, with the commands that copy their rows', async () => {
    const backup = await backUp();
    await query(clinic, 'DELETE FROM session_quiz_steps');
    const argv = [
      'restore',
      backup.name,
      '--tables',
      'session_quiz_steps,public.villages',
      '--into',
      'other "picked"',
    ];
    const { code, stdout } = await runCli([...argv, '--json'], environment);
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.tables).toEqual([
      { name: 'public.session_quiz_steps', rows: 7172 },
      { name: 'public.villages', rows: 24 },
    ]);
    expect([await count(clinic, 'session_quiz_steps'), await count(clinic, 'villages')]).toEqual([0, 24]);
    const picked = own.cluster.url('other "picked"');
    expect([await count(picked, 'villages'), await count(picked, 'children')]).toEqual([24, 0]);
    const copy = report.copies.find((command: string) => command.includes('session_quiz_steps'));
    const { host, port, superuser, password } = own.cluster;
    execFileSync('/bin/sh', ['-c', copy], {
      env: {
        PATH: process.env['PATH'],
        PGHOST: host,
        PGPORT: String(port),
        PGUSER: superuser,
        PGPASSWORD: password,
      },
    });
    expect(await count(clinic, 'session_quiz_steps')).toBe(7172);
    expect(await runCli(argv, environment)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(
        'Refused to restore into database "other "picked"": it already exists. Nothing was changed.',
      ),
    });
    expect(
      await runCli(['restore', backup.name, '--tables', 'nope', '--into', 'other_2'], environment),
    ).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^\w+ has no table nope\.\nIts tables: .*\. For a partitioned table, name its partitions\.\n$/,
      ),
    });
  });

  it('lists the backups, shows the plan, and requires a name', async () => {
    const backup = await backUp();
    expect((await runCli(['restore', '--list'], environment)).stdout).toContain(backup.name);
    const plan = await runCli(['restore', '--plan', '--json', backup.name], environment);
    expect(JSON.parse(plan.stdout)).toMatchObject({
      source: backup.name,
      database: 'clinic',
      isProduction: true,
      missingMigrations: [],
    });
    expect(await runCli(['restore'], environment)).toMatchObject({
      code: 2,
      stderr:
        'Missing argument: backup name.\n`pgkeep restore --list` lists the names. Then run `pgkeep restore NAME`.\n',
    });
    expect((await runCli(['restore', 'nope'], environment)).stderr).toMatch(/^Backup "nope" not found in /);
  });
});
