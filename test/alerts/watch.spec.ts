import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createDatabase, query } from '../support/clinic.js';
import { HttpReceiver } from '../support/http-receiver.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { AlertReplica, blocked } from './replica.js';

const SECRET = 'hunter2';

describe('alerts', () => {
  let own: ThrowAwayCluster;
  let receiver: HttpReceiver;
  let url: string;
  let databases = 0;
  const opened: AlertReplica[] = [];

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    receiver = await HttpReceiver.start();
    const template = await createDatabase(own, 'template');
    expect(await runCli(['install'], { DATABASE_URL: template })).toMatchObject({ code: 0 });
  });
  beforeEach(async () => {
    databases += 1;
    url = await createDatabase(own, `alerts_${databases}`, 'template');
    await leadWith(1);
    receiver.reset();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((replica) => replica.close()));
  });
  afterAll(async () => {
    await receiver.close();
    await own.cluster.destroy();
  });

  /** Gives the lease to the replica with this fence. */
  async function leadWith(fence: number): Promise<void> {
    await query(
      url,
      `INSERT INTO pgkeep.lease VALUES ('monitor', 'a test', $1, now() + interval '1 hour')
       ON CONFLICT (name) DO UPDATE SET fence = excluded.fence, expires_at = excluded.expires_at`,
      [fence],
    );
  }

  async function open(environment: Readonly<Record<string, string>> = {}): Promise<AlertReplica> {
    const replica = await AlertReplica.open(url, {
      ALERT_WEBHOOKS: `generic+${receiver.url(`/${SECRET}`)}`,
      MIGRATIONS_DIR: emptyDirectory(),
      ...environment,
    });
    opened.push(replica);
    return replica;
  }

  /** What the receiver got: event, code and subject of each message, and its id. */
  function messages(of = receiver): { event: string; what: string; id: string }[] {
    return of.received.map(({ body }) => {
      const { event, alert, id } = JSON.parse(body);
      return { event, what: alert.subject === '' ? alert.code : `${alert.code}:${alert.subject}`, id };
    });
  }

  const sent = (of = receiver): string[] => messages(of).map(({ event, what }) => `${event} ${what}`);

  async function deliveries(): Promise<unknown[]> {
    const { rows } = await query(
      url,
      `SELECT receiver, state, attempts, last_error AS error FROM pgkeep.alert_delivery ORDER BY created_at, receiver`,
    );
    return rows;
  }

  /** Makes the time pass for what the database knows. */
  async function pass(seconds: number): Promise<void> {
    await query(
      url,
      `UPDATE pgkeep.alert SET alert = alert || jsonb_build_object(
         'since', (alert->>'since')::float8 - $1, 'clearSince', (alert->>'clearSince')::float8 - $1,
         'firedAt', (alert->>'firedAt')::float8 - $1, 'notifiedAt', (alert->>'notifiedAt')::float8 - $1)
       WHERE alert->>'code' IN ('BLOCKED', 'DATABASE_DOWN')`,
      [seconds * 1000],
    );
    await query(
      url,
      `UPDATE pgkeep.alert_delivery SET created_at = created_at - make_interval(secs => $1),
         next_try_at = next_try_at - make_interval(secs => $1)`,
      [seconds],
    );
  }

  it('are sent once, by the leader, and resolved by the next one', async () => {
    const [leader, follower] = [await open(), await open()];
    await follower.sample([], { role: 'follower', fence: 1n });
    await leader.sample([blocked()]);
    await leader.sample([blocked({ text: '3 sessions wait for clinic-import, for 90 s now' })]);
    expect(sent()).toEqual(['firing BLOCKED:clinic-import']);
    expect(receiver.bodies()[0]).toMatchObject({
      database: `alerts_${databases}`,
      environment: 'test',
      stillFiring: 1,
      alert: {
        severity: 'critical',
        text: '2 sessions wait for clinic-import, for 74 s now',
        sql: 'SELECT pg_terminate_backend(21431);',
      },
    });
    expect(await deliveries()).toEqual([{ receiver: 'generic', state: 'sent', attempts: 1, error: null }]);

    await leadWith(2);
    await follower.sample([blocked()], { role: 'leader', fence: 2n });
    // The one before, stopped and woken, finds nothing; it must not say so.
    await leader.sample([]);
    await follower.sample([], { role: 'leader', fence: 2n });
    expect(sent()).toHaveLength(1);
    await pass(121);
    await leadWith(3);
    const third = await open();
    await third.sample([], { role: 'leader', fence: 3n });
    expect(sent()).toEqual(['firing BLOCKED:clinic-import', 'resolved BLOCKED:clinic-import']);
    expect(new Set(messages().map(({ id }) => id)).size).toBe(2);
  });

  it('are written by no replica whose lease is over', async () => {
    const leader = await open();
    await query(url, `UPDATE pgkeep.lease SET expires_at = now() - interval '1 ms'`);
    await leader.sample([blocked()]);
    expect(receiver.received).toEqual([]);
    expect((await query(url, `SELECT FROM pgkeep.alert`)).rows).toEqual([]);
  });

  it('are tried again later, in their order, with the same id', async () => {
    const leader = await open();
    receiver.answer = (response) => response.writeHead(503).end();
    await leader.sample([blocked()]);
    await leader.sample([blocked()]);
    expect(await deliveries()).toEqual([
      { receiver: 'generic', state: 'due', attempts: 1, error: 'generic answered with status 503.' },
    ]);
    await leader.sample([]);
    await pass(200);
    receiver.answer = (response) => response.writeHead(429, { 'retry-after': '1000' }).end();
    await leadWith(2);
    const next = await open();
    // Resolved waits for firing, which is refused again.
    await next.sample([], { role: 'leader', fence: 2n });
    expect(sent()).toEqual(['firing BLOCKED:clinic-import', 'firing BLOCKED:clinic-import']);
    const { rows } = await query(
      url,
      `SELECT extract(epoch FROM next_try_at - now())::int > 900 AS waits FROM pgkeep.alert_delivery ORDER BY created_at`,
    );
    expect(rows).toEqual([{ waits: true }, { waits: false }]);

    receiver.reset();
    await pass(1000);
    await next.sample([], { role: 'leader', fence: 2n });
    expect(sent()).toEqual(['firing BLOCKED:clinic-import', 'resolved BLOCKED:clinic-import']);
    expect(await deliveries()).toEqual([
      { receiver: 'generic', state: 'sent', attempts: 3, error: null },
      { receiver: 'generic', state: 'sent', attempts: 1, error: null },
    ]);
  });

  it('are given up after a day; the other receivers are notified of that, and the broken one is not', async () => {
    const slack = await HttpReceiver.start();
    receiver.answer = (response) => response.writeHead(404).end();
    const webhooks = { ALERT_WEBHOOKS: `generic+${receiver.url(`/${SECRET}`)} slack+${slack.url()}` };
    try {
      const leader = await open(webhooks);
      await leader.sample([blocked()]);
      expect(slack.received).toHaveLength(1);
      await query(
        url,
        `UPDATE pgkeep.alert_delivery SET created_at = now() - interval '25 hours', next_try_at = now() WHERE state = 'due'`,
      );
      await leader.sample([blocked()]);
      expect(await deliveries()).toContainEqual({
        receiver: 'generic',
        state: 'failed',
        attempts: 2,
        error: 'generic answered with status 404.',
      });
      receiver.received.length = 0;
      await leader.sample([blocked()]);
      expect(slack.received.map(({ body }): unknown => JSON.parse(body).text).at(-1)).toBe(
        'Warning: generic takes no alerts: 1 message for it waits. generic answered with status 404.',
      );
      expect(receiver.received).toEqual([]);
      // Messages for a receiver that is not configured any more do not wait.
      const { rows } = await query(url, `UPDATE pgkeep.alert_delivery SET state = 'due' RETURNING id`);
      expect(rows.length).toBeGreaterThan(0);
      await leadWith(2);
      const other = await open({ ALERT_WEBHOOKS: `teams+${slack.url()}` });
      await other.sample([blocked()], { role: 'leader', fence: 2n });
      const left = await query(
        url,
        `SELECT DISTINCT last_error FROM pgkeep.alert_delivery WHERE receiver <> 'teams'`,
      );
      expect(left.rows).toEqual([{ last_error: 'This receiver is not configured any more.' }]);
    } finally {
      await slack.close();
    }
  });

  it('are one message for a thousand in the same moment', async () => {
    const leader = await open();
    const thousand = Array.from({ length: 1000 }, (_, index) =>
      blocked({ subject: `s${index}`, severity: index === 500 ? 'critical' : 'warning' }),
    );
    await leader.sample(thousand);
    await leader.sample(thousand);
    expect(sent()).toEqual(['firing BLOCKED:s500']);
    expect(receiver.bodies()[0]).toMatchObject({ omitted: 990, alerts: { length: 10 }, stillFiring: 1000 });
  });

  it('are sent once although several replicas send at the same time', async () => {
    const leader = await open();
    receiver.answer = (response) => response.writeHead(503).end();
    for (let index = 0; index < 10; index += 1) {
      await leader.sample(Array.from({ length: index + 1 }, (_, n) => blocked({ subject: `s${n}` })));
    }
    receiver.reset();
    await query(
      url,
      `UPDATE pgkeep.alert_delivery SET next_try_at = now() - interval '1 s', claimed_until = NULL`,
    );
    const replicas = [leader, await open(), await open()];
    await Promise.all(
      replicas.map((replica) =>
        replica.sample(Array.from({ length: 10 }, (_, n) => blocked({ subject: `s${n}` }))),
      ),
    );
    expect(sent().toSorted()).toEqual(Array.from({ length: 10 }, (_, n) => `firing BLOCKED:s${n}`));
  });

  it('go to Alertmanager every minute while they fire, and once more when they are resolved', async () => {
    const leader = await open({ ALERT_WEBHOOKS: '', ALERT_ALERTMANAGER_URLS: receiver.url() });
    await leader.sample([blocked()]);
    await leader.sample([blocked()]);
    expect(receiver.received).toHaveLength(1);
    leader.wait(60);
    await leader.sample([blocked()]);
    expect(receiver.received).toHaveLength(2);
    const labels = {
      alertname: 'BLOCKED',
      database: `alerts_${databases}`,
      environment: 'test',
      subject: 'clinic-import',
    };
    expect(receiver.bodies()[1]).toMatchObject([{ labels }]);
    expect(await deliveries()).toEqual([]);
    receiver.answer = (response) => response.writeHead(500).end();
    leader.wait(60);
    await leader.sample([blocked()]);
    receiver.reset();
    // What failed is sent again with the next sample.
    await leader.sample([blocked()]);
    expect(receiver.received).toHaveLength(1);
  });

  it('are sent although pgkeep’s schema is not installed', async () => {
    const bare = await createDatabase(own, `bare_${databases}`);
    const replica = await AlertReplica.open(bare, { ALERT_WEBHOOKS: `generic+${receiver.url()}` });
    opened.push(replica);
    await replica.sample([blocked()], { role: 'leader', fence: null });
    await replica.sample([blocked()], { role: 'leader', fence: null });
    expect(sent()).toEqual(['firing BLOCKED:clinic-import']);
  });

  describe('about a database that is down', () => {
    it('come from the leader’s memory, from the deputy after three minutes, with one id, and are written down', async () => {
      const [leader, deputy, follower] = [await open(), await open(), await open()];
      await leader.sample([blocked()]);
      await deputy.sample([], { role: 'deputy', fence: 1n });
      await follower.sample([], { role: 'follower', fence: 1n });
      receiver.reset();
      for (const seconds of [0, 29]) {
        leader.wait(seconds);
        await leader.sampleDown();
      }
      expect(sent()).toEqual([]);
      leader.wait(2);
      await leader.sampleDown();
      await leader.sampleDown();
      expect(sent()).toEqual(['firing DATABASE_DOWN']);
      const [first] = messages();
      for (const seconds of [0, 31, 120]) {
        deputy.wait(seconds);
        await deputy.sampleDown({ role: 'deputy', fence: 1n });
        follower.wait(seconds);
        await follower.sampleDown({ role: 'follower', fence: 1n });
      }
      expect(sent()).toHaveLength(1);
      deputy.wait(60);
      await deputy.sampleDown({ role: 'deputy', fence: 1n });
      follower.wait(600);
      await follower.sampleDown({ role: 'follower', fence: 1n });
      expect(messages().map(({ id }) => id)).toEqual([first?.id, first?.id]);

      // It is back: the follower leads, and finds that the alert had fired.
      receiver.reset();
      await leadWith(2);
      await follower.sample([blocked()], { role: 'leader', fence: 2n });
      const { rows } = await query(
        url,
        `SELECT alert->>'code' AS code, state FROM pgkeep.alert
         WHERE alert->>'code' IN ('BLOCKED', 'DATABASE_DOWN') ORDER BY 1`,
      );
      expect(rows).toEqual([
        { code: 'BLOCKED', state: 'firing' },
        { code: 'DATABASE_DOWN', state: 'firing' },
      ]);
      await pass(31);
      await leadWith(3);
      await leader.sample([blocked()], { role: 'leader', fence: 3n });
      expect(sent()).toEqual(['resolved DATABASE_DOWN']);
      const { rows: later } = await query(
        url,
        `SELECT alert->>'code' AS code, state FROM pgkeep.alert
         WHERE alert->>'code' IN ('BLOCKED', 'DATABASE_DOWN') ORDER BY 1`,
      );
      expect(later).toEqual([
        { code: 'BLOCKED', state: 'firing' },
        { code: 'DATABASE_DOWN', state: 'resolved' },
      ]);
    });

    it('that no receiver took are stored once the database is back', async () => {
      const leader = await open();
      await leader.sample([]);
      receiver.answer = (response) => response.writeHead(503).end();
      await leader.sampleDown();
      leader.wait(31);
      await leader.sampleDown();
      leader.wait(5);
      await leader.sampleDown();
      leader.wait(6);
      await leader.sampleDown();
      // After 10 s it is tried again.
      expect(sent()).toEqual(['firing DATABASE_DOWN', 'firing DATABASE_DOWN']);
      receiver.reset();
      await leader.sample([]);
      expect(sent()).toEqual(['firing DATABASE_DOWN']);
      expect(await deliveries()).toEqual([{ receiver: 'generic', state: 'sent', attempts: 3, error: null }]);
    });

    it('come from a replica that never reached it after five minutes', async () => {
      const replica = await open();
      const turn = { role: 'follower', fence: null } as const;
      await replica.sampleDown(turn);
      for (const seconds of [31, 200]) {
        replica.wait(seconds);
        await replica.sampleDown(turn);
      }
      expect(sent()).toEqual([]);
      replica.wait(70);
      await replica.sampleDown(turn);
      expect(sent()).toEqual(['firing DATABASE_DOWN']);
    });

    it('keep the heartbeat going once they are sent, and not before', async () => {
      const heartbeat = await HttpReceiver.start();
      try {
        const leader = await open({ ALERT_HEARTBEAT_URL: heartbeat.url(`/${SECRET}`) });
        await leader.sample([]);
        await leader.sample([]);
        expect(heartbeat.received).toMatchObject([{ method: 'GET', path: `/${SECRET}` }]);
        leader.wait(60);
        await leader.sample([]);
        expect(heartbeat.received).toHaveLength(2);
        receiver.answer = (response) => response.writeHead(503).end();
        for (const seconds of [60, 31, 60]) {
          leader.wait(seconds);
          await leader.sampleDown();
        }
        expect(heartbeat.received).toHaveLength(2);
        receiver.reset();
        leader.wait(60);
        await leader.sampleDown();
        leader.wait(60);
        await leader.sampleDown();
        expect(sent()).toEqual(['firing DATABASE_DOWN']);
        expect(heartbeat.received).toHaveLength(3);
        // A deputy that reported nothing does not say that all is well.
        const deputy = await open({ ALERT_HEARTBEAT_URL: heartbeat.url() });
        await deputy.sample([], { role: 'deputy', fence: 1n });
        await deputy.sampleDown({ role: 'deputy', fence: 1n });
        expect(heartbeat.received).toHaveLength(3);
      } finally {
        await heartbeat.close();
      }
    });
  });

  it('report ten failed logins of any replica, and an overridden guard, from the audit log', async () => {
    const [leader, follower] = [await open(), await open()];
    follower.failLogins(9);
    await follower.sample([], { role: 'follower', fence: 1n });
    follower.failLogins(1);
    await follower.sample([], { role: 'follower', fence: 1n });
    // One entry an hour, however many there are.
    follower.failLogins(100);
    await follower.sample([], { role: 'follower', fence: 1n });
    await query(
      url,
      `INSERT INTO pgkeep.change_log (action, subject, details, actor)
       VALUES ('guard-override', 'clinic', '{"command": "migrate reset"}', 'ana@laptop')`,
    );
    await leader.sample([]);
    expect(receiver.bodies()).toMatchObject([
      {
        alert: {
          code: 'GUARD_OVERRIDDEN',
          text: expect.stringMatching(
            /^ana@laptop overrode the guard: migrate reset, at .+ UTC \(entry 3 of the audit log\)$/,
          ),
        },
      },
      {
        alert: {
          code: 'LOGINS_REFUSED',
          text: expect.stringMatching(/^10 attempts to sign in at service@\S+ failed within a minute, at /),
        },
      },
    ]);
    // Half a minute later nothing is asked again; the entries stay an alert for an hour.
    await leader.sample([]);
    expect(receiver.received).toHaveLength(2);
  });

  it('store and return no address', async () => {
    const leader = await open();
    receiver.answer = (response) => response.writeHead(500).end(SECRET);
    await leader.sample([blocked()]);
    const { rows } = await query(url, `SELECT to_jsonb(d) AS row FROM pgkeep.alert_delivery d`);
    expect(JSON.stringify([rows, await leader.service.list()])).not.toMatch(/hunter2|127\.0\.0\.1/);
  });
});
