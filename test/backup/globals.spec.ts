import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { backupDirectory, stockPsql } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { stockAge, stockKey } from '../support/stock-age.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** Characters that file names must not have, that start a connection string, and that quote it. */
const NAME = String.raw`../se/cret=it's\one`;
const ROLES = `
  SELECT r.rolname, r.rolcanlogin, r.rolcreatedb, r.rolconnlimit, r.rolvaliduntil::text,
         ARRAY(SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                WHERE m.member = r.oid ORDER BY 1) AS groups
    FROM pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1`;

describe('backup globals', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, NAME);
    await query(
      own.cluster.url('postgres'),
      `CREATE ROLE doctors CREATEDB; CREATE ROLE "Dr. ""No""" LOGIN PASSWORD 'no-secret' CONNECTION LIMIT 3 IN ROLE doctors;
       CREATE ROLE reader LOGIN PASSWORD 'reader-secret'`,
    );
  });
  beforeEach(() => {
    directory = backupDirectory();
  });
  afterAll(() => own.cluster.destroy());

  const settings = (): Record<string, string> => ({ DATABASE_URL: url, BACKUP_DIR: directory });

  it('keeps roles with their passwords: they can log in to another server', async () => {
    const { code, stdout, stderr } = await runCli(['backup', 'globals'], settings());
    const [file = ''] = readdirSync(directory);
    expect(file).toMatch(/^se-cret-it-s-one_development_\d{8}_\d{6}\.globals\.sql$/);
    const at = path.join(directory, file);
    expect(statSync(at).mode & 0o777).toBe(0o600);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      new RegExp(
        String.raw`^4 roles and 0 tablespaces, .* kB; verified\.
  file    ${at}
  sha256  [0-9a-f]{64}
It contains the password hashes\.
To create them on a new server before a restore, run as a superuser \(errors about existing roles are harmless\):
  psql --dbname postgres --file ${at}
Done, but not recorded: .*Run .pgkeep install.\.
$`,
      ),
    );
    const other = await startThrowAwayCluster();
    try {
      const elsewhere = other.cluster.url('postgres');
      // The superuser exists already, and psql continues; it has the old server's password afterwards.
      const sql = readFileSync(at, 'utf8').replaceAll(/^(CREATE|ALTER) ROLE postgres\b.*$/gm, '');
      await stockPsql(Buffer.from(sql), elsewhere);
      const before = (await query(own.cluster.url('postgres'), ROLES)).rows;
      expect((await query(elsewhere, ROLES)).rows).toEqual(before);
      const asNo = changedUrl(elsewhere, { username: 'Dr.%20%22No%22', password: 'no-secret' });
      expect((await query(asNo, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    } finally {
      await other.cluster.destroy();
    }
  }, 60_000);

  it('omits passwords that the role may not read, and says so', async () => {
    const reader = changedUrl(url, { username: 'reader', password: 'reader-secret' });
    const { code, stdout } = await runCli(['backup', 'globals'], { ...settings(), DATABASE_URL: reader });
    expect(code).toBe(0);
    expect(stdout).toContain(
      '\nIt does NOT contain the password hashes, because this role may not read them. Set the passwords after a restore.\n',
    );
    const text = readFileSync(path.join(directory, readdirSync(directory)[0] ?? ''), 'utf8');
    expect(text).toContain('CREATE ROLE doctors;');
    expect(text).not.toContain('SCRAM-SHA-256');
  });

  it('is encrypted if backups are', async () => {
    const key = await stockKey(path.join(emptyDirectory(), 'key.txt'));
    const sealed = { BACKUP_ENCRYPTION_ENABLED: 'true', BACKUP_ENCRYPTION_KEY: key.recipient };
    const { stdout } = await runCli(['backup', 'globals', '--json'], { ...settings(), ...sealed });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ encrypted: true, passwords: true, roles: 4 });
    expect(report.file).toMatch(/\.globals\.sql\.age$/);
    expect(readFileSync(report.file, 'latin1')).not.toContain('doctors');
    const opened = path.join(emptyDirectory(), 'globals.sql');
    await stockAge('-d', '-i', key.file, '-o', opened, report.file);
    expect(readFileSync(opened, 'utf8')).toContain('CREATE ROLE doctors;');
  });

  it('is not listed or pruned as a backup; hostile database names are safe everywhere', async () => {
    await runCli(['backup', 'globals'], settings());
    const made = JSON.parse((await runCli(['backup', '--json'], settings())).stdout);
    expect(made.name).toMatch(/^se-cret-it-s-one_development_\d{8}_\d{6}$/);
    const { backups } = JSON.parse((await runCli(['backup', 'list', '--json'], settings())).stdout);
    expect(backups).toMatchObject([{ name: made.name, database: NAME }]);
    expect((await runCli(['backup', 'verify', made.name], settings())).code).toBe(0);
    expect((await runCli(['backup', 'prune'], settings())).code).toBe(0);
    const endings = readdirSync(directory).map((file) => file.replace(/_\d{8}_\d{6}/, ''));
    const subject = 'se-cret-it-s-one_development';
    expect(new Set(endings)).toEqual(
      new Set(['.dump', '.globals.sql', '.known-backups.json', '.manifest.json'].map((end) => subject + end)),
    );
  });
});
