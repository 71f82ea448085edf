import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { stockKey } from '../support/stock-age.js';

const STEP_MS = 61;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** Before Node.js has started, the signal ends the process directly. */
const ENDS = new Set<number | string>([0, 130, 143, 'SIGINT', 'SIGTERM']);

/**
 * Interrupts come while modules load, while connections open, between two statements: a sweep meets what a single
 * moment does not.
 */
describe('an interrupt at any moment', () => {
  let own: ThrowAwayCluster;
  let application: DeployedApplication;
  let environment: Record<string, string>;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const url = await createDatabase(own, 'swept');
    await query(
      url,
      `CREATE TABLE t AS SELECT i, md5(i::text) || md5((i + 1)::text) AS v FROM generate_series(1, 100000) i`,
    );
    application = new DeployedApplication(url, { clinic: false }).add(
      '20260101000000_slow',
      'SELECT pg_sleep(0.3);\nCREATE TABLE made (id int);\n',
    );
    directory = backupDirectory();
    const key = await stockKey(`${directory}.key`);
    environment = {
      NODE_ENV: 'test',
      DATABASE_URL: url,
      BACKUP_DIR: directory,
      BACKUP_ENCRYPTION_ENABLED: 'true',
      BACKUP_ENCRYPTION_KEY: key.recipient,
      BACKUP_ENCRYPTION_IDENTITY: key.identity,
    };
  });
  afterAll(() => own.cluster.destroy());

  /**
   * Interrupts a command line again and again, each time later, until it ends before the signal comes. Fails where it
   * ends in disorder.
   */
  async function expectOrder(
    argv: readonly string[],
    check: (moment: string) => Promise<void>,
    settings: Record<string, string> = environment,
  ): Promise<void> {
    for (let delay = 0, round = 0; ; delay += STEP_MS, round += 1) {
      const signal = SIGNALS[round % SIGNALS.length] ?? 'SIGINT';
      const pgkeep = new PgkeepProcess('cli', argv, settings, { cwd: application.directory });
      await sleep(delay);
      const isOver = !pgkeep.isRunning;
      pgkeep.signal(signal);
      const { code, signal: killedBy } = await pgkeep.end(60_000);
      const moment = `${signal} after ${delay} ms: ${pgkeep.stdout}${pgkeep.stderr}`;
      if (!ENDS.has(killedBy ?? code ?? 'none')) throw new Error(moment);
      await check(moment);
      if (isOver) return;
    }
  }

  async function expectOnlyCompleteBackups(moment: string): Promise<void> {
    const files = readdirSync(directory);
    const left = files.filter((name) => name.endsWith('.part') || name.includes('unfinished'));
    if (left.length > 0) throw new Error(`${moment}\nleft behind: ${left.join(', ')}`);
    const { stdout } = await runCli(['backup', 'list', '--json'], environment);
    expect(JSON.parse(stdout).backups).toHaveLength(
      files.filter((name) => name.endsWith('.manifest.json')).length,
    );
  }

  async function expectNoScratchDatabase(moment: string): Promise<void> {
    const { rows } = await query(
      own.cluster.url('postgres'),
      `SELECT datname FROM pg_database WHERE datname LIKE 'swept_%'`,
    );
    if (rows.length > 0) throw new Error(`${moment}\nleft behind: ${JSON.stringify(rows)}`);
  }

  it('of an encrypted backup leaves only complete backups', async () => {
    await expectOrder(['backup'], expectOnlyCompleteBackups);
  });

  it('of a verification leaves the backups as they were', async () => {
    const made = JSON.parse((await runCli(['backup', '--json'], environment)).stdout);
    await expectOrder(['backup', 'verify', made.name], expectOnlyCompleteBackups);
  });

  it('of a restore test leaves no scratch database', async () => {
    await expectOrder(['restore', 'test'], expectNoScratchDatabase);
  });

  it('of a deploy leaves the migration applied, pending or recorded as failed, never in between', async () => {
    const url = await createDatabase(own, 'deployed');
    const settings = { ...environment, DATABASE_URL: url };
    await expectOrder(
      ['migrate', 'deploy', '--without-backup'],
      async (moment) => {
        const { rows: tables } = await query(
          url,
          `SELECT to_regclass('made') IS NOT NULL AS made, to_regclass('_prisma_migrations') IS NOT NULL AS history`,
        );
        const { rows: finished } = tables[0]?.history
          ? await query(url, 'SELECT FROM _prisma_migrations WHERE finished_at IS NOT NULL')
          : { rows: [] };
        if (tables[0]?.made !== (finished.length === 1))
          throw new Error(`${moment}\n${JSON.stringify(tables)}`);
        await query(url, 'DROP TABLE IF EXISTS made; DROP TABLE IF EXISTS _prisma_migrations');
      },
      settings,
    );
  });
});
