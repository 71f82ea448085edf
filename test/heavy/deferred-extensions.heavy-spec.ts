import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { backupDirectory, pgDumpMajor, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { installPackage } from '../support/regression-database.js';
import { faultsOf, withRestoreTests } from '../support/restores.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** pg_cron (236 kB, from Debian) needs a preload library, and one database by its name. Installing it needs root. */
describe('an extension that is bound to a preload library and a database’s name', () => {
  let own: ThrowAwayCluster;
  let url: string;

  beforeAll(async () => {
    const major = await pgDumpMajor();
    await installPackage(
      `postgresql-${major}-cron`,
      `/usr/share/postgresql/${major}/extension/pg_cron.control`,
    );
    own = await startThrowAwayCluster({
      settings: { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'scheduled' },
    });
    url = await createDatabase(own, 'scheduled');
    await query(
      url,
      `CREATE EXTENSION pg_cron; CREATE EXTENSION pg_trgm; CREATE TABLE t AS SELECT 1 AS a;
       SELECT cron.schedule('nightly', '0 3 1 1 *', 'SELECT 1')`,
    );
  });
  afterAll(() => own.cluster.destroy());

  it.each(['custom', 'plain'])('is left out of the test, and created after the swap: %s', async (format) => {
    const environment = {
      NODE_ENV: 'test',
      DATABASE_URL: url,
      BACKUP_DIR: backupDirectory(),
      BACKUP_FORMAT: format,
    };
    const { name } = await withBackups(environment, (backups) => backups.create());
    const report = await withRestoreTests(environment, (tests) => tests.run({ backup: name }));
    expect(faultsOf(report)).toEqual({});
    expect([report.verdict, report.restoredTo]).toEqual(['passed', 'throw-away cluster']);
    expect(report.notes).toContain(
      'extension pg_cron and the rows of its tables were left out: PostgreSQL cannot create it in this database (unrecognized configuration parameter "cron.database_name")',
    );

    await query(url, 'UPDATE t SET a = 2');
    const { code, stdout, stderr } = await runCli(['restore', name], environment);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toContain(
      'PostgreSQL cannot create it in this database (can only create extension in database scheduled)\n',
    );
    expect(stdout).toContain(
      '  note: extension pg_cron was created after the swap, with the rows of its tables\n',
    );
    const { rows } = await query(url, 'SELECT a, (SELECT jobname FROM cron.job) AS job FROM t');
    expect(rows).toEqual([{ a: 1, job: 'nightly' }]);
  });
});
