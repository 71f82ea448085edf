import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { discordBody } from '../../src/notifiers/discord.js';
import { genericBody, signatureHeaders } from '../../src/notifiers/generic.js';
import { mailOf } from '../../src/notifiers/mail.notifier.js';
import { titleOf } from '../../src/notifiers/notice-text.js';
import { pagerdutyEvents } from '../../src/notifiers/pagerduty.js';
import { slackBody } from '../../src/notifiers/slack.js';
import { teamsBody } from '../../src/notifiers/teams.js';
import { alertOf, noticeOf } from './notices.js';

const HOSTILE =
  '<!channel> <https://evil.example|ok> *b* [a](https://evil.example) @everyone <at>x</at> ```\r\nBcc: evil@example.org\u202E<img src=x onerror=alert(1)>';

/** A notice in which everything that others can name is hostile. */
const hostile = noticeOf({
  database: HOSTILE,
  alerts: [alertOf({ subject: HOSTILE, text: `wait for ${HOSTILE}`, sql: `DROP TABLE "${HOSTILE}";` })],
});

const warnings = Array.from({ length: 991 }, (_, index) =>
  alertOf({
    id: `${index}`,
    severity: 'warning',
    code: 'TABLE_BLOATED',
    subject: `t${index}`,
    text: `t${index} is bloated`,
  }),
);

const many = noticeOf({ alerts: [alertOf(), ...warnings], stillFiring: 992 });

/** Every string in a document. */
function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(stringsOf);
}

describe('the first line of a notice', () => {
  it.each([
    [noticeOf(), 'CRITICAL: 2 sessions wait for clinic-import, for 74 s now'],
    [noticeOf({ event: 'repeat' }), 'Still critical: 2 sessions wait for clinic-import, for 74 s now'],
    [noticeOf({ event: 'resolved' }), 'Resolved: 2 sessions wait for clinic-import, for 74 s now'],
    [noticeOf({ alerts: [alertOf({ severity: 'warning', text: 'full' })] }), 'Warning: full'],
    [
      noticeOf({ event: 'repeat', alerts: [alertOf({ severity: 'warning', text: 'full' })] }),
      'Still a warning: full',
    ],
    [noticeOf({ event: 'test', alerts: [alertOf({ text: 'works' })] }), 'Test: works'],
    [many, 'CRITICAL: 992 alerts, 1 of them critical'],
    [noticeOf({ alerts: [alertOf(), alertOf()] }), 'CRITICAL: 2 alerts, 2 of them critical'],
    [
      noticeOf({ event: 'resolved', alerts: [warnings[0] ?? alertOf(), alertOf({ severity: 'warning' })] }),
      'Resolved: 2 alerts, none of them critical',
    ],
  ])('says how bad it is, and what: %#', (notice, title) => {
    expect(titleOf(notice)).toBe(title);
  });
});

describe('the document of a generic webhook', () => {
  it('has every fact', () => {
    expect(genericBody(noticeOf())).toEqual({
      version: 1,
      id: '0f8fad5b-d9cb-469f-a165-70867728950e',
      event: 'firing',
      database: 'clinic',
      environment: 'production',
      alert: alertOf(),
      alerts: [alertOf()],
      omitted: 0,
      stillFiring: 1,
      contact: 'Database Admin, +62 811 555 010',
      link: 'https://pgkeep.example/',
    });
  });

  it('is signed as Standard Webhooks describe', () => {
    const now = new Date('2026-11-27T02:10:05.900Z');
    const body = '{"version":1}';
    const key = Buffer.from('0123456789abcdef0123456789abcdef');
    const expected = createHmac('sha256', key).update('the-id.1795745405.{"version":1}').digest('base64');
    for (const secret of [`whsec_${key.toString('base64')}`, key.toString()]) {
      expect(signatureHeaders({ id: 'the-id', body, now }, secret)).toEqual({
        'idempotency-key': 'the-id',
        'webhook-id': 'the-id',
        'webhook-timestamp': '1795745405',
        'webhook-signature': `v1,${expected}`,
      });
    }
    expect(signatureHeaders({ id: 'the-id', body, now }, undefined)).not.toHaveProperty('webhook-signature');
  });
});

describe('hostile names', () => {
  it('stay on one line and lose what reverses the direction, everywhere', () => {
    const documents = [
      genericBody(hostile),
      slackBody(hostile),
      teamsBody(hostile),
      discordBody(hostile),
      pagerdutyEvents(hostile, 'key'),
      mailOf(hostile),
    ];
    for (const text of documents.flatMap(stringsOf)) {
      expect(text).not.toMatch(/[\r\u202E]/);
    }
    // Statements keep their lines: they are indented in the text of the mail.
    expect(mailOf(hostile).text).not.toMatch(/^Bcc: /m);
    expect(mailOf(hostile).subject).not.toContain('\n');
  });

  it('are neither markup nor a mention in Slack', () => {
    const { text, blocks }: { text?: string; blocks?: unknown[] } = slackBody(hostile);
    expect(text).toContain('&lt;!channel&gt; &lt;https://evil.example|ok&gt;');
    expect(text).not.toContain('<');
    expect(JSON.stringify(blocks)).not.toContain('mrkdwn');
  });

  it('are in text runs, which know no markup, in Teams', () => {
    const cards = JSON.stringify(teamsBody(hostile));
    expect(cards).not.toMatch(/"(TextBlock|FactSet)"/);
    expect(cards).toContain('"TextRun"');
  });

  it('neither mention, nor link, nor leave the code block in Discord', () => {
    const body = discordBody(hostile);
    expect(body).toMatchObject({ allowed_mentions: { parse: [] } });
    for (const text of stringsOf(body).map((part) => part.replace(/```sql.*```/s, ''))) {
      expect(text.replace('https://pgkeep.example/', '')).not.toContain('://');
      expect(text).not.toMatch(/(?<!\\)@everyone|(?<!\\)\[a/);
    }
    const description = stringsOf(body).find((text) => text.includes('```sql'));
    expect(description?.match(/```/g)).toHaveLength(2);
  });
});

describe('a notice about many', () => {
  it('is one message that lists the worst', () => {
    expect(mailOf(many)).toEqual({
      subject: '[clinic, production] CRITICAL: 992 alerts, 1 of them critical',
      text: [
        'CRITICAL: 992 alerts, 1 of them critical',
        '',
        'CRITICAL: 2 sessions wait for clinic-import, for 74 s now [BLOCKED]',
        ...Array.from({ length: 9 }, (_, index) => `Warning: t${index} is bloated [TABLE_BLOATED]`),
        '982 more alerts: pgkeep lists them.',
        '',
        '',
        'Sent by pgkeep, which runs none of these statements itself.',
        '',
      ].join('\n'),
    });
    expect(genericBody(many)).toMatchObject({ omitted: 982, alerts: { length: 10 } });
    for (const body of [slackBody(many), teamsBody(many), discordBody(many)]) {
      expect(stringsOf(body).join('\n')).toMatch(/982 more alerts/);
    }
  });

  it('is one incident of PagerDuty, which the last resolved alert closes', () => {
    expect(pagerdutyEvents(many, 'key')).toMatchObject([
      { routing_key: 'key', event_action: 'trigger', dedup_key: 'pgkeep/clinic/many' },
    ]);
    const one = { event: 'resolved' } as const;
    expect(pagerdutyEvents(noticeOf({ ...one, stillFiring: 3 }), 'key')).toEqual([
      { routing_key: 'key', event_action: 'resolve', dedup_key: 'pgkeep/clinic/8d1c5f00a1b2c3d4' },
    ]);
    expect(pagerdutyEvents(noticeOf({ ...one, stillFiring: 0 }), 'key')).toEqual([
      { routing_key: 'key', event_action: 'resolve', dedup_key: 'pgkeep/clinic/8d1c5f00a1b2c3d4' },
      { routing_key: 'key', event_action: 'resolve', dedup_key: 'pgkeep/clinic/many' },
    ]);
  });
});

describe('a mail', () => {
  it('says what, what to do, what to type, since when, and whom to call', () => {
    expect(mailOf(noticeOf()).text).toBe(`\
CRITICAL: 2 sessions wait for clinic-import, for 74 s now

End the session that holds the lock, then find out why it keeps it.

  SELECT pg_terminate_backend(21431);

Since:        2026-11-27 02:10:00 UTC
Code:         BLOCKED (clinic-import)
Database:     clinic (production)
Call:         Database Admin, +62 811 555 010
Dashboard:    https://pgkeep.example/

Sent by pgkeep, which runs none of these statements itself.
`);
  });

  it('about the end says when, and how many others fire', () => {
    const resolved = noticeOf({
      event: 'resolved',
      alerts: [alertOf({ resolvedAt: '2026-11-27T02:30:00.000Z' })],
      stillFiring: 2,
    });
    expect(mailOf(resolved).text).toBe(`\
Resolved: 2 sessions wait for clinic-import, for 74 s now

Since:        2026-11-27 02:10:00 UTC
Resolved:     2026-11-27 02:30:00 UTC
Code:         BLOCKED (clinic-import)
Database:     clinic (production)
Still firing: 2 alerts
Dashboard:    https://pgkeep.example/

Sent by pgkeep, which runs none of these statements itself.
`);
  });
});
