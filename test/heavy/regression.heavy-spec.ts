import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { backupDirectory, pgDumpMajor, withBackups } from '../support/backups.js';
import { query } from '../support/clinic.js';
import { createRegressionDatabase } from '../support/regression-database.js';
import { faultsOf, reportedBy, withRestoreTests } from '../support/restores.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** Everything that PostgreSQL's own tests leave behind survives backup and restore unchanged. */
describe('PostgreSQL’s regression database', () => {
  let own: ThrowAwayCluster;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createRegressionDatabase(own, String(await pgDumpMajor()));
  });
  afterAll(() => own.cluster.destroy());

  it('is complete', async () => {
    const { rows } = await query(
      url,
      `SELECT count(*)::int AS tables FROM pg_class WHERE relkind = 'r' AND oid > 16383`,
    );
    expect(rows[0]?.tables).toBeGreaterThan(400);
  });

  it.each(['custom', 'plain'])('passes its restore test: %s', async (format) => {
    const environment = { DATABASE_URL: url, BACKUP_DIR: backupDirectory(), BACKUP_FORMAT: format };
    const { name } = await withBackups(environment, (backups) => backups.create());
    const report = await withRestoreTests(environment, (tests) => tests.run({ backup: name }));
    expect(faultsOf(report)).toEqual({});
    expect(report.verdict).toBe('passed');
    expect(Object.keys(reportedBy(report))).toEqual(['constraints', 'triggers']);
  });
});
