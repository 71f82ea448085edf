import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { createClinic, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const NEXT = '20991231000000_next';
const HARMLESS = 'ALTER TABLE "children" ADD COLUMN "nickname" TEXT;\n';
const DANGEROUS = 'DELETE FROM "children";\n';

// Each test starts programs, several of them.
jest.setTimeout(90_000);

describe('a deploy reads once', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  /** Deploys script `first`, which is replaced by `then` after the deploy has read it and before it has checked it. */
  async function deployWhileChanging(application: DeployedApplication, first: string, then: string) {
    const { url } = application;
    application.add(NEXT, first);
    const other = new Client({ connectionString: url });
    await other.connect();
    try {
      await other.query('BEGIN; LOCK TABLE "children" IN ACCESS EXCLUSIVE MODE');
      const running = application.quickly();
      // Reading a table's size waits for its lock: after the files are read and before the check.
      await until(async () => {
        const { rows } = await query(
          url,
          `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%pg_relation_size%'`,
        );
        return rows.length > 0;
      });
      application.add(NEXT, then);
      await other.query('COMMIT');
      return await running;
    } finally {
      await other.end();
    }
  }

  it('applies what it has checked, although the file has changed since', async () => {
    const application = new DeployedApplication(await createClinic(own, 'harmless_first', { seeded: true }));
    const { code, stderr } = await deployWhileChanging(application, HARMLESS, DANGEROUS);
    expect(stderr).toContain('\n0 errors, 0 warnings in 1 file checked');
    expect(code).toBe(0);
    const { rows } = await query(
      application.url,
      `SELECT (SELECT count("nickname") FROM "children")::int AS named,
              (SELECT count(*) > 0 FROM "children") AS kept,
              (SELECT checksum FROM _prisma_migrations WHERE migration_name = '${NEXT}') AS checksum`,
    );
    expect(rows).toEqual([
      { named: 0, kept: true, checksum: createHash('sha256').update(HARMLESS).digest('hex') },
    ]);
  });

  it('refuses what it has read, although the file has become harmless since', async () => {
    const application = new DeployedApplication(await createClinic(own, 'dangerous_first', { seeded: true }));
    const { code, stderr } = await deployWhileChanging(application, DANGEROUS, HARMLESS);
    expect(stderr).toContain('  error    delete-without-where  at 1:13\n');
    expect(stderr).toContain('\n1 error, 0 warnings in 1 file checked');
    expect(code).toBe(3);
    const { rows } = await query(application.url, 'SELECT count(*) > 0 AS kept FROM "children"');
    expect(rows).toEqual([{ kept: true }]);
  });

  it('plans on one connection, and scans the history once for its rows and once for failed attempts', async () => {
    const application = new DeployedApplication(await createClinic(own, 'counted', { seeded: true }));
    application.add(NEXT, HARMLESS);
    const watcher = new Client({ connectionString: application.url });
    await watcher.connect();
    try {
      const before = await counters(watcher);
      expect((await application.deploy(['--dry-run'])).code).toBe(0);
      // The server counts a session after it has noticed its end.
      await until(async () => (await counters(watcher)).sessions > before.sessions);
      const after = await counters(watcher);
      expect({ sessions: after.sessions - before.sessions, scans: after.scans - before.scans }).toEqual({
        sessions: 1,
        scans: 2,
      });
    } finally {
      await watcher.end();
    }
  });
});

/** Returns the number of sessions of a database so far, and of scans of its history. */
async function counters(client: Client): Promise<{ sessions: number; scans: number }> {
  const { rows } = await client.query<{ sessions: number; scans: number }>(
    `SELECT d.sessions::int, (t.seq_scan + coalesce(t.idx_scan, 0))::int AS scans
       FROM pg_stat_database d, pg_stat_user_tables t
      WHERE d.datname = current_database() AND t.relname = '_prisma_migrations'`,
  );
  const [row] = rows;
  if (!row) throw new Error('every clinic has a history');
  return row;
}
