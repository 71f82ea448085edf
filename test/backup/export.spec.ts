import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { findTables, type NamedTable } from '../../src/backup/export/export-tables.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { emptyDirectory, PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

describe('backup export', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'exported');
    await query(
      url,
      `CREATE TABLE children (id int, name text, born date);
       INSERT INTO children VALUES (1, 'Ayu "Mini"', '2024-02-07'), (2, E'two\\nlines, one comma', NULL), (3, '', NULL);
       CREATE SCHEMA "Odd schema"; CREATE TABLE "Odd schema"."a.b/../c" (x int GENERATED ALWAYS AS IDENTITY, "Ü" text);
       INSERT INTO "Odd schema"."a.b/../c" ("Ü") VALUES ('é');
       CREATE TABLE "a b" AS SELECT 1 AS n; CREATE TABLE "a-b" AS SELECT 2 AS n;
       CREATE TABLE "Children" AS SELECT 9 AS n; CREATE VIEW grown AS SELECT id FROM children WHERE id > 1;
       CREATE TABLE measured (d date NOT NULL, n int) PARTITION BY RANGE (d);
       CREATE TABLE measured_1 PARTITION OF measured DEFAULT; INSERT INTO measured VALUES ('2026-01-01', 7);
       CREATE ROLE teller LOGIN PASSWORD 'teller-secret'; GRANT SELECT ON children TO teller`,
    );
    await runCli(['install'], { DATABASE_URL: url });
  });
  beforeEach(() => {
    directory = path.join(emptyDirectory(), 'out');
  });
  afterAll(() => own.cluster.destroy());

  const run = (...argv: string[]) =>
    runCli(['backup', 'export', ...argv, '--directory', directory], { DATABASE_URL: url });

  it('writes files that only their owner can read, reports their rows, and records it', async () => {
    const { code, stdout, stderr } = await run('children', 'grown', 'measured', 'Odd schema.a.b/../c');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(
      `public.children          3 rows  73 B  ${directory}/public.children.csv
public.grown             2 rows   7 B  ${directory}/public.grown.csv
public.measured           1 row  17 B  ${directory}/public.measured.csv
"Odd schema"."a.b/../c"   1 row  10 B  ${directory}/Odd-schema.a-b-c.csv
These files are not encrypted: anyone who can read ${directory} can read the rows.
`,
    );
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory)).toHaveLength(4);
    for (const file of readdirSync(directory)) {
      expect(statSync(path.join(directory, file)).mode & 0o777).toBe(0o600);
    }
    expect(readFileSync(path.join(directory, 'public.children.csv'), 'utf8')).toBe(
      'id,name,born\n1,"Ayu ""Mini""",2024-02-07\n2,"two\nlines, one comma",\n3,"",\n',
    );
    expect(readFileSync(path.join(directory, 'Odd-schema.a-b-c.csv'), 'utf8')).toBe('x,Ü\n1,é\n');
    const { entries } = JSON.parse((await runCli(['changelog', '--json'], { DATABASE_URL: url })).stdout);
    expect(entries.at(-1)).toMatchObject({
      action: 'export',
      subject: 'exported',
      details: { tables: expect.arrayContaining([{ name: 'public.children', rows: 3 }]) },
    });
  });

  it('writes two files for two names that sanitise alike, and replaces existing files', async () => {
    mkdirSync(directory);
    writeFileSync(path.join(directory, 'public.a-b.csv'), 'old');
    writeFileSync(path.join(directory, 'mine.txt'), 'mine');
    const { stdout } = await run('a b', '"a-b"', 'a b', '--json');
    expect(JSON.parse(stdout).tables).toEqual([
      { name: 'public."a b"', file: path.join(directory, 'public.a-b.csv'), rows: 1, bytes: 4 },
      { name: 'public."a-b"', file: path.join(directory, 'public.a-b-2.csv'), rows: 1, bytes: 4 },
    ]);
    expect(readdirSync(directory)).toEqual(['mine.txt', 'public.a-b-2.csv', 'public.a-b.csv']);
    expect(readFileSync(path.join(directory, 'public.a-b.csv'), 'utf8')).toBe('n\n1\n');
  });

  it('refuses a table that does not exist: exit 2, the nearest names, and nothing written', async () => {
    expect(await run('children', 'childern')).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'Table "childern" not found in this database.\nDid you mean public.children or public."Children"? Run `pgkeep stats` to see all names.\n',
    });
    expect(existsSync(directory)).toBe(false);
  });

  it('removes the complete export if one table fails', async () => {
    const teller = changedUrl(url, { username: 'teller', password: 'teller-secret' });
    const argv = ['backup', 'export', 'children', 'measured', '--directory', directory];
    expect(await runCli(argv, { DATABASE_URL: teller })).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^Cannot export from .*\/exported: permission denied for table measured\nGive the role the grant/,
      ),
    });
    expect(existsSync(directory)).toBe(false);
    writeFileSync(path.join(path.dirname(directory), 'file'), '');
    const onto = ['backup', 'export', 'children', '--directory', path.join(path.dirname(directory), 'file')];
    const { code, stderr } = await runCli(onto, { DATABASE_URL: url });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /^Cannot write .*: EEXIST: file already exists, mkdir .*\nSet --directory to a directory/,
      ),
    ]);
  });

  it('writes one consistent snapshot, and ends cleanly on a signal', async () => {
    await query(
      url,
      `CREATE TABLE large AS SELECT i, repeat(md5(i::text), 30) AS v FROM generate_series(1, 300000) i;
       CREATE TABLE late AS SELECT 1 AS n`,
    );
    const argv = ['backup', 'export', 'large', 'late', '--directory', directory];
    const part = path.join(directory, '.public.large.csv.part');
    const begun = () => existsSync(part) && statSync(part).size > 0;
    const whole = new PgkeepProcess('cli', [...argv, '--json'], { DATABASE_URL: url });
    await until(begun, 10_000, 'a table that is written');
    await query(url, 'INSERT INTO late VALUES (2)');
    expect(await whole.end()).toMatchObject({ code: 0 });
    expect(JSON.parse(whole.stdout).tables).toMatchObject([{ rows: 300_000 }, { rows: 1 }]);
    const cut = new PgkeepProcess('cli', argv, { DATABASE_URL: url });
    await until(begun, 10_000, 'a table that is written');
    cut.signal('SIGTERM');
    expect(await cut.end()).toMatchObject({ code: 143 });
    expect(cut.stderr).toMatch(/^Interrupted: did not export from .*Nothing was left behind\.\n$/);
    const gone = new PgkeepProcess('cli', argv, { DATABASE_URL: url });
    await until(begun, 10_000, 'a table that is written');
    await query(
      own.cluster.url('postgres'),
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgkeep export'`,
    );
    expect(await gone.end()).toMatchObject({ code: 1 });
    expect(gone.stderr).toMatch(/^Cannot export from .*: /);
    expect(readdirSync(directory)).toEqual(['public.large.csv', 'public.late.csv']);
  }, 60_000);
});

describe('a table name on the command line', () => {
  const named = (schema: string, table: string, quoted = `${schema}.${table}`): NamedTable => ({
    schema,
    table,
    quoted,
  });
  const user = named('public', 'User', 'public."User"');
  const tables = [user, named('app', 'users'), named('public', 'users'), named('app', 'only')];

  it('matches as written, quoted, in another case, with or without its schema', () => {
    for (const text of ['User', 'public.User', '"User"', 'public."User"', 'user']) {
      expect(findTables([text], tables, 'public')).toEqual([user]);
    }
    expect(findTables(['users', 'only', 'only'], tables, 'public')).toEqual([tables[2], tables[3]]);
    expect(findTables(['users'], tables, 'app')).toEqual([tables[1]]);
  });

  it('is refused as ambiguous if two tables match', () => {
    expect(() => findTables(['users'], tables, 'other')).toThrow(
      '"users" is ambiguous: it matches app.users or public.users.',
    );
    expect(() => findTables(['USERS'], tables, 'public')).toThrow('"USERS" is ambiguous');
  });
});
