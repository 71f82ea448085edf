import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { backupDirectory, withBackups } from '../support/backups.js';
import { query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('the way back after a restore', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  it('also works for the database "postgres": a session cannot rename its own database', async () => {
    const url = own.cluster.url('postgres');
    const environment = { NODE_ENV: 'test', DATABASE_URL: url, BACKUP_DIR: backupDirectory() };
    await query(url, 'CREATE TABLE t AS SELECT 1 AS a');
    const { name } = await withBackups(environment, (backups) => backups.create());
    await query(url, 'UPDATE t SET a = 2');
    const { code, stdout } = await runCli(['restore', name], environment);
    expect(code).toBe(0);
    const [, replaced = ''] = /is kept as "(.*)"\.$/m.exec(stdout) ?? [];
    const back = `BEGIN; ALTER DATABASE "postgres" RENAME TO "postgres_restored"; ALTER DATABASE "${replaced}" RENAME TO "postgres"; COMMIT;`;
    expect(stdout.slice(stdout.indexOf('The replaced'))).toBe(`The replaced database is kept as "${replaced}".
  To go back, stop the application, connect psql to database "template1", and run:
    ${back}
  To remove it when it is no longer needed:
    DROP DATABASE "${replaced}";
`);
    await query(own.cluster.url('template1'), back);
    expect((await query(url, 'SELECT a FROM t')).rows).toEqual([{ a: 2 }]);
  });
});
