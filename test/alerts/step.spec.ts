import { describe, expect, it } from '@jest/globals';
import { alertId, uuidOf } from '../../src/alerts/alert-ids.js';
import { ruleOf } from '../../src/alerts/alert-rules.js';
import type { Alert, AlertEvent, AlertFinding, Silencing } from '../../src/alerts/alert.types.js';
import { contactOf } from '../../src/alerts/contacts.js';
import { noticesOf } from '../../src/alerts/notices.js';
import { type Alerts, resolvedAlert, step } from '../../src/alerts/step.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.parse('2026-11-27T00:00:00Z');
const RULES = { minSeverity: 'warning', repeatMs: 4 * HOUR } as const;

function findingOf(changes: Partial<AlertFinding> = {}): AlertFinding {
  const code = changes.code ?? 'CONNECTIONS_HIGH';
  return { code, severity: 'warning', subject: '', text: code, remedy: 'Fix it.', sql: null, ...changes };
}

const critical = (changes: Partial<AlertFinding> = {}) => findingOf({ severity: 'critical', ...changes });
const down = critical({ code: 'DATABASE_DOWN' });

/** Steps through minutes, and keeps what is known in between. */
class Timeline {
  alerts: Alerts = new Map();
  silences: Silencing[] = [];
  events: readonly AlertEvent[] = [];

  constructor(private readonly rules: { minSeverity: 'warning' | 'critical'; repeatMs: number } = RULES) {}

  /** Returns `EVENT CODE` of each event. */
  at(minute: number, findings: readonly AlertFinding[], unseen: readonly string[] = []): string[] {
    const context = { now: START + minute * MINUTE, rules: this.rules, silences: this.silences };
    const { alerts, events } = step(this.alerts, { findings, unseen: new Set(unseen) }, context);
    this.alerts = alerts;
    this.events = events;
    return events.map(({ event, alert }) => `${event} ${alert.code}`);
  }

  alert(finding: AlertFinding): Alert | undefined {
    return this.alerts.get(alertId(finding));
  }
}

describe('an alert', () => {
  it('fires after its time, and is resolved two minutes after it was seen last', () => {
    const time = new Timeline();
    expect(time.at(0, [findingOf()])).toEqual([]);
    expect(time.at(0.5, [findingOf()])).toEqual([]);
    expect(time.at(1, [findingOf()])).toEqual(['firing CONNECTIONS_HIGH']);
    expect(time.at(2, [findingOf()])).toEqual([]);
    expect(time.at(3, [])).toEqual([]);
    expect(time.at(4, [findingOf()])).toEqual([]);
    expect(time.at(5, [])).toEqual([]);
    expect(time.at(6.9, [])).toEqual([]);
    expect(time.at(7, [])).toEqual(['resolved CONNECTIONS_HIGH']);
    expect(time.alert(findingOf())).toMatchObject({
      state: 'resolved',
      since: START,
      firedAt: START + MINUTE,
      resolvedAt: START + 7 * MINUTE,
    });
    expect(time.at(8, [])).toEqual([]);
  });

  it('that lasts half a minute is nothing, and is forgotten', () => {
    const time = new Timeline();
    time.at(0, [findingOf()]);
    expect(time.at(0.5, [])).toEqual([]);
    expect(time.alerts.size).toBe(0);
  });

  it('without a waiting time fires immediately', () => {
    expect(new Timeline().at(0, [critical({ code: 'BLOCKED', subject: 'x' })])).toEqual(['firing BLOCKED']);
  });

  it('that gets worse is sent immediately, and once', () => {
    const time = new Timeline();
    time.at(0, [findingOf()]);
    time.at(1, [findingOf()]);
    expect(time.at(2, [critical()])).toEqual(['firing CONNECTIONS_HIGH']);
    expect(time.at(3, [findingOf()])).toEqual([]);
    expect(time.at(4, [critical()])).toEqual([]);
  });

  it('is sent again after four hours, a warning after a day', () => {
    const time = new Timeline();
    const both = [findingOf(), critical({ code: 'DISK' })];
    time.at(0, both);
    time.at(1, both);
    expect(time.at(240, both)).toEqual([]);
    expect(time.at(241, both)).toEqual(['repeat DISK']);
    expect(time.at(480, both)).toEqual([]);
    expect(time.at(481, both)).toEqual(['repeat DISK']);
    expect(time.at(1441, both)).toEqual(['repeat DISK', 'repeat CONNECTIONS_HIGH']);
  });

  it('is one alert, whatever its text and its severity are, and another for another subject', () => {
    expect(alertId(findingOf({ text: '90 of 97' }))).toBe(alertId(critical({ text: '91 of 97' })));
    expect(alertId(findingOf({ subject: 'a' }))).not.toBe(alertId(findingOf({ subject: 'b' })));
    expect(alertId({ code: 'AB', subject: 'C' })).not.toBe(alertId({ code: 'A', subject: 'BC' }));
    expect(alertId(findingOf())).toMatch(/^[0-9a-f]{16}$/);
    expect(uuidOf('a', 1)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('that nothing could look for stays as it is', () => {
    const time = new Timeline();
    time.at(0, [findingOf()]);
    time.at(1, [findingOf()]);
    expect(time.at(30, [], ['CONNECTIONS_HIGH'])).toEqual([]);
    expect(time.alert(findingOf())).toMatchObject({ state: 'firing', clearSince: null });
    expect(time.at(31, [])).toEqual([]);
    expect(time.at(33, [])).toEqual(['resolved CONNECTIONS_HIGH']);
  });

  it('that flaps every five minutes is sent three times an hour at most, then held', () => {
    const time = new Timeline();
    const sent: string[] = [];
    for (let minute = 0; minute < 60; minute += 5) {
      sent.push(...time.at(minute, [findingOf()]), ...time.at(minute + 1, [findingOf()]));
      sent.push(...time.at(minute + 2, []), ...time.at(minute + 4.5, []));
    }
    expect(sent).toEqual([
      'firing CONNECTIONS_HIGH',
      'resolved CONNECTIONS_HIGH',
      'firing CONNECTIONS_HIGH',
      'resolved CONNECTIONS_HIGH',
      'firing CONNECTIONS_HIGH',
    ]);
    expect(time.at(58, [])).toEqual([]);
    expect(time.at(88, [])).toEqual(['resolved CONNECTIONS_HIGH']);
  });

  it('that flaps every minute for a day makes few messages', () => {
    const time = new Timeline();
    const blocked = [critical({ code: 'BLOCKED' })];
    let sent = 0;
    for (let minute = 0; minute < 1440; minute += 2) {
      sent += time.at(minute, blocked).length + time.at(minute + 1, []).length;
    }
    // The first, and a repetition every four hours.
    expect(sent).toBe(6);
  });

  it('survives a clock that is set back', () => {
    const time = new Timeline();
    time.at(1440, [findingOf()]);
    expect(time.at(0, [findingOf()])).toEqual([]);
    expect(time.at(1, [findingOf()])).toEqual(['firing CONNECTIONS_HIGH']);
    time.at(1440, [findingOf()]);
    time.at(1441, []);
    expect(time.at(2, [])).toEqual([]);
    expect(time.at(4, [])).toEqual(['resolved CONNECTIONS_HIGH']);
  });
});

describe('a database that is down', () => {
  it('holds every other alert: none is sent, and none is resolved', () => {
    const time = new Timeline();
    time.at(0, [findingOf(), critical({ code: 'BLOCKED' })]);
    time.at(1, [findingOf()]);
    expect(time.at(2, [down, critical({ code: 'NEW' })])).toEqual([]);
    expect(time.at(2.5, [down, critical({ code: 'NEW' })])).toEqual(['firing DATABASE_DOWN']);
    expect(time.at(60, [down])).toEqual([]);
    expect(time.alert(findingOf())).toMatchObject({ state: 'firing' });
    expect(time.alert(critical({ code: 'NEW' }))).toBeUndefined();
    expect(time.at(242.5, [down])).toEqual(['repeat DATABASE_DOWN']);
    // It was gone before the outage.
    expect(time.at(300, [findingOf()])).toEqual(['resolved BLOCKED']);
    expect(time.at(300.5, [findingOf()])).toEqual(['resolved DATABASE_DOWN']);
  });

  it('has the same ids on every replica, and others in the next outage', () => {
    const known = resolvedAlert(alertId(down), down, 'c1c1c1c1-0000-8000-8000-000000000000');
    const leader = new Timeline();
    const deputy = new Timeline();
    for (const replica of [leader, deputy]) replica.alerts = new Map([[known.id, known]]);
    leader.at(0, [down]);
    leader.at(0.5, [down]);
    const [first] = leader.events;
    deputy.at(0.2, [down]);
    deputy.at(3.3, [down]);
    expect(deputy.events.map(({ id }) => id)).toEqual([first?.id]);
    leader.at(10, []);
    leader.at(11, []);
    const [resolved] = leader.events;
    expect(resolved).toMatchObject({ event: 'resolved' });
    leader.at(60, [down]);
    leader.at(61, [down]);
    const ids = [first?.id, resolved?.id, leader.events[0]?.id];
    expect(new Set(ids).size).toBe(3);
    // Nothing is known of it for a month, and the next outage still has an id that every replica knows.
    leader.at(62, []);
    leader.at(64, []);
    leader.at(43_200, []);
    expect(leader.alert(down)).toMatchObject({ state: 'resolved' });
  });
});

describe('silences and severities', () => {
  it('keep an alert from being sent; it is sent when the silence ends and it still fires', () => {
    const time = new Timeline();
    time.silences = [{ code: 'CONNECTIONS_HIGH', subject: null, until: START + 10 * MINUTE }];
    time.at(0, [findingOf()]);
    expect(time.at(1, [findingOf()])).toEqual([]);
    expect(time.alert(findingOf())).toMatchObject({ state: 'firing', notifiedAt: null });
    expect(time.at(9.9, [findingOf()])).toEqual([]);
    expect(time.at(10, [findingOf()])).toEqual(['firing CONNECTIONS_HIGH']);
  });

  it('of one subject concern only that', () => {
    const time = new Timeline();
    time.silences = [{ code: 'BLOCKED', subject: 'import', until: START + HOUR }];
    const both = ['import', 'web'].map((subject) => critical({ code: 'BLOCKED', subject }));
    time.at(0, both);
    expect(time.events.map(({ alert }) => alert.subject)).toEqual(['web']);
  });

  it('do not hide the end of what was sent before, and send no end of what was not', () => {
    const time = new Timeline();
    time.at(0, [findingOf()]);
    time.at(1, [findingOf()]);
    time.silences = [
      { code: 'CONNECTIONS_HIGH', subject: null, until: START + HOUR },
      { code: 'OTHER', subject: null, until: START + HOUR },
    ];
    time.at(2, [findingOf({ code: 'OTHER' })]);
    time.at(3, [findingOf({ code: 'OTHER' })]);
    expect(time.at(4, [])).toEqual(['resolved CONNECTIONS_HIGH']);
    expect(time.at(10, [])).toEqual([]);
    expect(time.alert(findingOf({ code: 'OTHER' }))).toMatchObject({ state: 'resolved' });
  });

  it('keep warnings from being sent with ALERT_MIN_SEVERITY=critical, until they are critical', () => {
    const time = new Timeline({ minSeverity: 'critical', repeatMs: 4 * HOUR });
    time.at(0, [findingOf()]);
    expect(time.at(1, [findingOf()])).toEqual([]);
    expect(time.alert(findingOf())).toMatchObject({ state: 'firing' });
    expect(time.at(2, [critical()])).toEqual(['firing CONNECTIONS_HIGH']);
  });
});

/** A generator of pseudo-random numbers from 0 to 1: the same seed makes the same run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Returns the promises that an event breaks. */
function brokenBy(event: AlertEvent, previous: AlertEvent | undefined, isDown: boolean): string[] {
  const { code, severity, firedAt, since } = event.alert;
  const isWorse = severity === 'critical' && previous?.alert.severity === 'warning';
  const isInOrder = event.event === 'firing' ? previous === undefined || isWorse : previous !== undefined;
  return [
    ...(isDown && code !== 'DATABASE_DOWN' ? [`${code} was sent while the database is down`] : []),
    ...(isInOrder ? [] : [`${event.event} ${code} out of order`]),
    ...((firedAt ?? 0) >= since + ruleOf(code).forMs ? [] : [`${code} fired before its time`]),
  ];
}

describe('whatever is found, in any order', () => {
  it.each(Array.from({ length: 20 }, (_, seed) => seed))('run %i keeps every promise', (seed) => {
    const random = randomFrom(seed + 1);
    const codes = ['BLOCKED', 'CONNECTIONS_HIGH', 'QUERY_LONG', 'DATABASE_DOWN'];
    const time = new Timeline();
    const open = new Map<string, AlertEvent>();
    const ids = new Set<string>();
    const broken: string[] = [];
    let sent = 0;
    let minute = 0;
    for (let turn = 0; turn < 300; turn += 1) {
      minute += random() * 2;
      const findings = codes.flatMap((code) =>
        random() < (code === 'DATABASE_DOWN' ? 0.1 : 0.6)
          ? [findingOf({ code, severity: random() < 0.3 ? 'critical' : 'warning' })]
          : [],
      );
      const unseen = codes.filter(() => random() < 0.05);
      const isDown = findings.some(({ code }) => code === 'DATABASE_DOWN');
      time.at(minute, findings, unseen);
      for (const event of time.events) {
        const { id } = event.alert;
        broken.push(...brokenBy(event, open.get(id), isDown));
        ids.add(event.id);
        sent += 1;
        if (event.event === 'resolved') open.delete(id);
        else open.set(id, event);
      }
      const firing = [...time.alerts.values()].filter(({ state }) => state === 'firing').map(({ id }) => id);
      if (firing.toSorted().join(',') !== [...open.keys()].toSorted().join(','))
        broken.push('firing, not sent');
      // The same moment again changes nothing; nor does a leader that reads the alerts from the database.
      const alerts = JSON.stringify([...time.alerts]);
      if (time.at(minute, findings, unseen).length > 0) broken.push('the same moment again was sent');
      if (JSON.stringify([...time.alerts]) !== alerts) broken.push('the same moment again changed something');
      time.alerts = new Map(JSON.parse(alerts));
    }
    expect(broken).toEqual([]);
    // Every message has an id that no other message has.
    expect(sent).toBeGreaterThan(20);
    expect(ids.size).toBe(sent);
  });
});

describe('the messages of a step', () => {
  const about = { database: 'clinic', environment: 'production', link: null, contacts: [] };

  it('are one for each event, up to five', () => {
    const time = new Timeline();
    time.at(
      0,
      Array.from({ length: 5 }, (_, index) => critical({ code: 'BLOCKED', subject: `${index}` })),
    );
    const notices = noticesOf(time.events, time.alerts, about);
    expect(notices.map(({ id }) => id)).toEqual(time.events.map(({ id }) => id));
    expect(notices[0]).toMatchObject({
      event: 'firing',
      stillFiring: 5,
      alerts: [{ firedAt: '2026-11-27T00:00:00.000Z' }],
    });
  });

  it('are one for a thousand, the worst first', () => {
    const time = new Timeline();
    const thousand = Array.from({ length: 1000 }, (_, index) =>
      findingOf({
        code: 'BLOCKED',
        subject: `${index}`,
        severity: index % 100 === 99 ? 'critical' : 'warning',
      }),
    );
    time.at(0, thousand);
    const [notice, ...others] = noticesOf(time.events, time.alerts, about);
    expect(others).toEqual([]);
    expect(notice?.alerts).toHaveLength(1000);
    expect(notice?.alerts.slice(0, 11).map(({ severity }) => severity)).toEqual([
      ...Array.from({ length: 10 }, () => 'critical'),
      'warning',
    ]);
  });
});

describe('the contact of an alert', () => {
  const contacts = [
    { situation: 'Accidental deletion', action: 'Stop the application', contact: 'Data Lead, +62 1' },
    { situation: 'Database outage', action: 'Check the server', contact: 'Database Admin, +62 2.' },
    { situation: 'Security breach', action: 'Revoke access', contact: 'Security Officer, +62 3' },
    { situation: 'Failed migration', action: 'Stop the release', contact: 'Lead Developer, +62 4' },
  ];

  it.each([
    ['DATABASE_DOWN', 'Database Admin, +62 2. Database outage: Check the server'],
    ['BLOCKED', 'Database Admin, +62 2. Database outage: Check the server'],
    ['DATA_CORRUPT', 'Data Lead, +62 1. Accidental deletion: Stop the application'],
    ['LOGINS_REFUSED', 'Security Officer, +62 3. Security breach: Revoke access'],
    ['MIGRATIONS_FAILED', 'Lead Developer, +62 4. Failed migration: Stop the release'],
  ])('of %s is %s', (code, contact) => {
    expect(contactOf(code, contacts)).toBe(contact);
  });

  it('is the first where no situation fits, and null where there is none', () => {
    expect(contactOf('BLOCKED', contacts.slice(3))).toBe(
      'Lead Developer, +62 4. Failed migration: Stop the release',
    );
    expect(contactOf('BLOCKED', [])).toBeNull();
  });
});
