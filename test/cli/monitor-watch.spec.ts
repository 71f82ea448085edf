import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { changeLines } from '../../src/cli/monitor-text.js';
import { screenText } from '../../src/cli/terminal.js';
import type { MonitoringFinding } from '../../src/monitoring/monitoring.types.js';
import { createDatabase } from '../support/clinic.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

describe('pgkeep monitor --watch', () => {
  let own: ThrowAwayCluster;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'watched');
  });
  afterAll(() => own.cluster.destroy());

  it('prints a line for each change where it has no terminal, an outage included, until it is interrupted', async () => {
    const watching = new PgkeepProcess('cli', ['monitor', '--watch', '1', '--only', 'CONNECTIONS_HIGH'], {
      DATABASE_URL: url,
      DB_CONNECTION_COUNT_THRESHOLD: '1',
    });
    try {
      await until(() => watching.stdout.includes('watched (development), PostgreSQL '), 60_000);
      const clients = [1, 2].map(() => new Client({ connectionString: url }));
      await Promise.all(clients.map((client) => client.connect()));
      await until(() => watching.stdout.includes('warning   Applications hold 2 connections'), 60_000);
      await Promise.all(clients.map((client) => client.end()));
      await until(() => watching.stdout.includes('over      Applications hold 2 connections'), 60_000);
      await own.cluster.stop();
      await until(() => watching.stdout.includes('[DATABASE_DOWN]'), 60_000);
      await own.cluster.startServer();
      await until(() => /over .*\[DATABASE_DOWN\]/.test(watching.stdout), 60_000);
      watching.signal('SIGINT');
      expect((await watching.end()).code).toBe(130);
    } finally {
      await watching.kill();
    }
    const lines = watching.stdout.trim().split('\n');
    expect(lines[1]).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}warning {3}Applications hold 2 connections; DB_CONNECTION_COUNT_THRESHOLD is 1 \[CONNECTIONS_HIGH\]$/,
    );
    expect(lines.at(-1)).toBe('Nothing needs attention; 1 condition was looked for.');
  });

  it('refuses seconds that are none, and JSON', async () => {
    const refused = async (...options: string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await runCli(['monitor', '--watch', ...options], {
        DATABASE_URL: url,
      });
      return [code, stdout + stderr];
    };
    expect(await refused('0')).toEqual([2, '--watch 0: the seconds must be a number from 1 to 3600.\n']);
    expect(await refused('soon')).toEqual([
      2,
      '--watch soon: the seconds must be a number from 1 to 3600.\n',
    ]);
    expect(await refused('5', '--json')).toEqual([2, expect.stringContaining('--watch prints no JSON.')]);
  });
});

describe('what --watch shows', () => {
  const finding: MonitoringFinding = {
    code: 'BLOCKED',
    severity: 'warning',
    subject: 'import',
    text: 'import blocks 1 session',
    remedy: '',
    sql: null,
  };
  const at = new Date('2026-02-07T12:00:00Z');

  it('is a change of the severity, and not of a number in the text', () => {
    const longer = { ...finding, text: 'import blocks 2 sessions' };
    expect(changeLines([finding], [longer], at)).toEqual([]);
    expect(changeLines([finding], [{ ...longer, severity: 'critical' }], at)).toEqual([
      '2026-02-07 12:00:00  CRITICAL  import blocks 2 sessions [BLOCKED]',
    ]);
    expect(changeLines([finding], [{ ...finding, subject: 'web' }], at)).toEqual([
      '2026-02-07 12:00:00  warning   import blocks 1 session [BLOCKED]',
      '2026-02-07 12:00:00  over      import blocks 1 session [BLOCKED]',
    ]);
  });

  it('fits the screen', () => {
    const text = screenText(['first', 'a long line', 'third', 'fourth'], { rows: 3, columns: 8 });
    expect(text).toBe('\u001B[Hfirst\u001B[K\r\na long …\u001B[K\r\n… 2 mor…\u001B[K\u001B[J');
  });
});
