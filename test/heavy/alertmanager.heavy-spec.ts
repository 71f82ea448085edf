import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AlertReplica, blocked } from '../alerts/replica.js';
import { createDatabase, query } from '../support/clinic.js';
import { HttpReceiver } from '../support/http-receiver.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { StockAlertmanager } from '../support/stock-alertmanager.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

describe('Debian’s Alertmanager', () => {
  let own: ThrowAwayCluster;
  let receiver: HttpReceiver;
  let alertmanager: StockAlertmanager;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    receiver = await HttpReceiver.start();
    alertmanager = await StockAlertmanager.start(receiver.url('/hook'));
    url = await createDatabase(own, 'clinic');
    expect(await runCli(['install'], { DATABASE_URL: url })).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await alertmanager.stop();
    await receiver.close();
    await own.cluster.destroy();
  });

  /** What it notified its receiver of. */
  function notified(): string[] {
    return receiver.bodies().flatMap((body) => {
      const { alerts }: { alerts: { status: string; labels: Record<string, string> }[] } = Object.assign(
        { alerts: [] },
        body,
      );
      return alerts.map(({ status, labels }) => `${status} ${labels['alertname']} ${labels['subject']}`);
    });
  }

  it('takes an alert that fires, keeps it one alert while its numbers change, and resolves it', async () => {
    const environment = { ALERT_ALERTMANAGER_URLS: alertmanager.url, MIGRATIONS_DIR: emptyDirectory() };
    await query(url, `INSERT INTO pgkeep.lease VALUES ('monitor', 'a test', 1, now() + interval '1 hour')`);
    const leader = await AlertReplica.open(url, environment);
    const hostile = 'a "b" {c} <!channel>\n';
    await leader.sample([blocked({ subject: hostile })]);
    await until(() => notified().length === 1);
    expect(alertmanager.alerts()).toMatchObject([
      {
        labels: {
          alertname: 'BLOCKED',
          database: 'clinic',
          environment: 'test',
          subject: 'a "b" {c} <!channel>\uFFFD',
        },
        annotations: { summary: '2 sessions wait for clinic-import, for 74 s now', severity: 'critical' },
      },
    ]);
    leader.wait(60);
    await leader.sample([
      blocked({ subject: hostile, text: '3 sessions wait, for 134 s now', severity: 'warning' }),
    ]);
    await until(() => alertmanager.alerts()[0]?.annotations['summary'] === '3 sessions wait, for 134 s now');
    expect(alertmanager.alerts()).toHaveLength(1);

    // Another replica leads, three minutes later, and finds nothing.
    await query(
      url,
      `UPDATE pgkeep.alert SET alert = alert || jsonb_build_object('clearSince', (alert->>'since')::float8 - 180000)
        WHERE alert->>'code' = 'BLOCKED'`,
    );
    await query(url, `UPDATE pgkeep.lease SET fence = 2`);
    const next = await AlertReplica.open(url, environment);
    await next.sample([], { role: 'leader', fence: 2n });
    await until(() => notified().length === 2);
    expect(notified()).toEqual([
      'firing BLOCKED a "b" {c} <!channel>\uFFFD',
      'resolved BLOCKED a "b" {c} <!channel>\uFFFD',
    ]);
    expect(alertmanager.alerts()).toEqual([]);
    const tested = await runCli(['monitor', 'test-alert'], { DATABASE_URL: url, ...environment });
    expect([tested.code, tested.stdout]).toEqual([
      0,
      expect.stringMatching(/^alertmanager {2}delivered in \d+ ms\n$/),
    ]);
    await Promise.all([leader.close(), next.close()]);
  });
});
