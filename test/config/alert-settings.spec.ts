import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type Environment, readSettings } from '../../src/config/read-settings.js';
import { messageOf } from '../../src/core/errors.js';

const DATABASE = { DATABASE_URL: 'postgresql://u@h/clinic' };

const alertsOf = (environment: Environment) => readSettings({ ...DATABASE, ...environment }).alerts;

/** Returns the lines of the message about invalid settings. */
function faultsOf(environment: Environment): string[] {
  try {
    alertsOf(environment);
  } catch (error) {
    return (error instanceof Error ? error.message : messageOf(error))
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

describe('the settings of alerts', () => {
  it('are off by default', () => {
    expect(alertsOf({})).toEqual({
      webhooks: [],
      webhookSecret: undefined,
      alertmanagers: [],
      smtp: undefined,
      mailFrom: undefined,
      mailTo: [],
      minSeverity: 'warning',
      repeatHours: 4,
      heartbeat: undefined,
      contacts: [],
    });
  });

  it('name receivers of every kind', () => {
    const alerts = alertsOf({
      ALERT_WEBHOOKS:
        'slack+https://hooks.slack.com/services/T/B/X\n generic+https://user:p%40ss@x.example/in  generic+http://127.0.0.1:9/ teams+insecure+http://x.example/ pagerduty+https://KEY@events.pagerduty.com/v2/enqueue',
      ALERT_ALERTMANAGER_URLS: 'https://a.example:9093, insecure+http://b.example:9093/prefix',
      ALERT_SMTP_URL: 'smtps://pgkeep:se%2Fcret@mail.example',
      ALERT_MAIL_FROM: 'pgkeep <pgkeep@clinic.example>',
      ALERT_MAIL_TO: 'dba@clinic.example, On call <oncall@clinic.example>',
      ALERT_HEARTBEAT_URL: 'https://hc.example/uuid',
      EMERGENCY_CONTACTS: 'Database outage | Check | Admin, +62 811; Breach | Revoke | Officer\n',
    });
    expect(alerts).toEqual({
      webhooks: [
        { kind: 'slack', url: 'https://hooks.slack.com/services/T/B/X', credentials: undefined },
        { kind: 'generic', url: 'https://x.example/in', credentials: { user: 'user', password: 'p@ss' } },
        { kind: 'generic', url: 'http://127.0.0.1:9/', credentials: undefined },
        { kind: 'teams', url: 'http://x.example/', credentials: undefined },
        {
          kind: 'pagerduty',
          url: 'https://events.pagerduty.com/v2/enqueue',
          credentials: { user: 'KEY', password: '' },
        },
      ],
      webhookSecret: undefined,
      alertmanagers: [
        { url: 'https://a.example:9093/', credentials: undefined },
        { url: 'http://b.example:9093/prefix', credentials: undefined },
      ],
      smtp: {
        host: 'mail.example',
        port: 465,
        tls: 'always',
        credentials: { user: 'pgkeep', password: 'se/cret' },
      },
      mailFrom: 'pgkeep <pgkeep@clinic.example>',
      mailTo: ['dba@clinic.example', 'On call <oncall@clinic.example>'],
      minSeverity: 'warning',
      repeatHours: 4,
      heartbeat: { url: 'https://hc.example/uuid', credentials: undefined },
      contacts: [
        { situation: 'Database outage', action: 'Check', contact: 'Admin, +62 811' },
        { situation: 'Breach', action: 'Revoke', contact: 'Officer' },
      ],
    });
    expect(Object.isFrozen(alerts.webhooks[0])).toBe(true);
  });

  it.each([
    [
      'ALERT_WEBHOOKS',
      'https://hooks.example/hunter2',
      'must be webhooks such as slack+https://hooks.slack.com/services/…: entry 1 must begin with one of generic+https://, slack+https://, teams+https://, discord+https://, pagerduty+https://',
    ],
    [
      'ALERT_WEBHOOKS',
      'slack+https://a.example/ slack+http://b.example/hunter2',
      'must be webhooks such as slack+https://hooks.slack.com/services/…: entry 2 would be sent without TLS: use https://, or write insecure+http:// to allow it',
    ],
    [
      'ALERT_WEBHOOKS',
      'pagerduty+https://events.pagerduty.com/hunter2',
      'must be webhooks such as slack+https://hooks.slack.com/services/…: entry 1 must name the routing key: pagerduty+https://KEY@events.pagerduty.com/v2/enqueue',
    ],
    [
      'ALERT_WEBHOOKS',
      'slack+https://hunter2:%E0@x.example/',
      'must be webhooks such as slack+https://hooks.slack.com/services/…: entry 1 has a user or password that is not percent-encoded correctly',
    ],
    [
      'ALERT_WEBHOOKS',
      'slack+https://[hunter2/',
      'must be webhooks such as slack+https://hooks.slack.com/services/…: entry 1 is not a URL',
    ],
    [
      'ALERT_HEARTBEAT_URL',
      'ftp://hc.example/hunter2',
      'must be a URL such as https://hc-ping.com/…: it must be an https:// URL',
    ],
    [
      'ALERT_HEARTBEAT_URL',
      'https://a.example/ https://b.example/',
      'must be a URL such as https://hc-ping.com/…: it is not one URL',
    ],
    [
      'ALERT_ALERTMANAGER_URLS',
      'https://a.example/#hunter2',
      'must be URLs such as https://alertmanager.example:9093: it ends in a fragment (#…), which is never sent',
    ],
    [
      'ALERT_SMTP_URL',
      'https://hunter2@mail.example',
      'must be a URL such as smtps://user:password@mail.example: it must begin with smtps:// or smtp://',
    ],
    [
      'ALERT_SMTP_URL',
      'smtp+insecure://u:hunter2@mail.example',
      'must be a URL such as smtps://user:password@mail.example: smtp+insecure:// would send the password in clear: use smtps:// or smtp://',
    ],
    [
      'ALERT_SMTP_URL',
      'smtps://mail.example/hunter2',
      'must be a URL such as smtps://user:password@mail.example: it must end after the host and the port',
    ],
    ['ALERT_WEBHOOK_SECRET', 'hunter2', 'must be at least 24 characters long'],
    [
      'ALERT_MAIL_TO',
      'dba@clinic.example; x',
      'must be mail addresses with commas between: "dba@clinic.example; x" is not a mail address; it is "dba@clinic.example; x"',
    ],
    [
      'ALERT_MAIL_FROM',
      'a@b.example, c@d.example',
      'must be a mail address: it must be one address; it is "a@b.example, c@d.example"',
    ],
    [
      'EMERGENCY_CONTACTS',
      'Outage | Admin',
      'must be entries such as Database outage | Check the server | Database Admin, +62 …: entry 1 must have three parts with | between; it is "Outage | Admin"',
    ],
    ['ALERT_MIN_SEVERITY', 'info', 'must be critical or warning; it is "info"'],
    ['ALERT_REPEAT_HOURS', '0', 'must be a whole number from 1 to 168 (hours); it is "0"'],
  ])('refuse %s=%s', (name, value, problem) => {
    expect(faultsOf({ [name]: value })).toEqual([`${name} ${problem}`]);
    expect(problem).not.toContain('hunter2');
  });

  it('refuse what makes no sense together', () => {
    expect(faultsOf({ ALERT_SMTP_URL: 'smtps://mail.example' })).toEqual([
      'ALERT_SMTP_URL is set, but there is no sender: set ALERT_MAIL_FROM too',
      'ALERT_SMTP_URL is set, but there is no recipient: set ALERT_MAIL_TO too',
    ]);
    expect(faultsOf({ ALERT_MAIL_TO: 'dba@clinic.example' })).toEqual([
      'ALERT_MAIL_TO is set, but there is no mail server: set ALERT_SMTP_URL too',
    ]);
    expect(
      faultsOf({ ALERT_WEBHOOK_SECRET: 'x'.repeat(24), ALERT_WEBHOOKS: 'slack+https://a.example/' }),
    ).toEqual(['ALERT_WEBHOOK_SECRET is set, but no webhook is generic: the other kinds are not signed']);
  });

  it('come from files, which are read again', () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-alerts-')), 'webhooks');
    writeFileSync(file, 'slack+https://a.example/\n');
    const alerts = alertsOf({ ALERT_WEBHOOKS_FILE: file });
    expect(alerts.webhooks).toHaveLength(1);
    writeFileSync(file, 'slack+https://a.example/ teams+https://b.example/\n');
    expect(alerts.webhooks.map(({ kind }) => kind)).toEqual(['slack', 'teams']);
    writeFileSync(file, 'nonsense');
    expect(alerts.webhooks).toHaveLength(2);
  });
});
