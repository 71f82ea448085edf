import { chmodSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { emptyDirectory, PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { until } from '../support/until.js';

/** The settings of the service and the command: no database, so the embedded one. */
const ENVIRONMENT = { PORT: '0', HOST: '127.0.0.1', READINESS_REFRESH_MS: '1000' };

describe('the embedded default', () => {
  let service: PgkeepProcess | undefined;

  afterEach(() => service?.kill());

  async function started(cwd: string): Promise<string> {
    service = new PgkeepProcess('main', [], ENVIRONMENT, { cwd });
    return await service.listening();
  }

  async function detailsOf(url: string, check: string): Promise<string> {
    const { checks } = JSON.parse(await (await fetch(`${url}/ready`)).text());
    return checks[check]?.details ?? '';
  }

  /** The dashboard has something to look at: an hour of history, and traffic. It says that both are a demo's. */
  async function expectDemo(url: string, cwd: string): Promise<void> {
    const token = readFileSync(path.join(cwd, '.pgkeep', 'admin-token'), 'utf8');
    const get = async (page: string): Promise<string> => {
      const answer = await fetch(`${url}/${page}`, { headers: { authorization: `Bearer ${token}` } });
      return await answer.text();
    };
    await until(async () => (await get('overview')).includes('clinic-web'), 60_000, 'traffic on the page');
    const text = await get('overview?range=1h');
    expect(text).toContain(
      'Demo: a sample clinic. Its traffic is pgkeep’s own, and so is the hour before the first start',
    );
    // The charts of connections, of transactions, of the time to connect, and of the size.
    expect(text.match(/ UTC: /g)?.length).toBeGreaterThan(4 * 50);
  }

  it('makes and tests a first backup, and no second one at the next start', async () => {
    const cwd = emptyDirectory();
    // PostgreSQL's unprivileged user must be able to pass through, where the tests run as root.
    chmodSync(cwd, 0o711);
    const url = await started(cwd);
    await until(
      async () => (await detailsOf(url, 'backupConfig')).includes('restore test 0 days old'),
      25_000,
      'evidence in /ready',
    );
    expect(await detailsOf(url, 'backups')).toMatch(/^newest backup 0 minutes old, 1 kept in 1 place/);
    const { stdout } = await runCli(['backup', 'list', '--json'], {}, { cwd });
    const [backup, ...others] = JSON.parse(stdout).backups;
    expect(others).toEqual([]);
    expect(backup).toMatchObject({ database: 'clinic', restoreTest: 'passed' });
    expect(service?.stdout).toMatch(
      /^\nDashboard: http:\/\/localhost:\d+\/\n {2}Sign in with the admin token: cat \.pgkeep\/admin-token\n/,
    );
    await expectDemo(url, cwd);
    const looked = await runCli(['monitor', '--json'], {}, { cwd });
    const statements: string[] = JSON.parse(looked.stdout).statements.map(
      ({ statement }: { statement: string }) => statement,
    );
    // Neither the seed's nor pgkeep's.
    expect(statements.length).toBeGreaterThan(0);
    expect(statements.filter((statement) => /pgkeep|INSERT|CREATE/.test(statement))).toEqual([]);
    service?.signal('SIGINT');
    await service?.end();
    const again = await started(cwd);
    await until(
      async () => (await detailsOf(again, 'backups')).startsWith('newest backup'),
      15_000,
      'the backup in /ready',
    );
    const after = await runCli(['backup', 'list', '--json'], {}, { cwd });
    expect(JSON.parse(after.stdout).backups).toHaveLength(1);
  }, 120_000);
});
