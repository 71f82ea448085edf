import {
  type EmergencyContact,
  type HttpReceiver,
  parseContacts,
  parseHttpReceiver,
  parseHttpReceivers,
  parseMailAddress,
  parseMailAddresses,
  parseSmtp,
  parseWebhooks,
  type SmtpServer,
  type Webhook,
} from './alert-receivers.js';
import type { Fault } from './secret-file.js';
import { Setting } from './setting.js';
import { oneOf } from './setting-parsers.js';
import { IsParsedBy, IsOneOf, IsWholeNumber } from './setting-rules.js';
import { MinLength } from './validation.js';

/** From which severity on an alert is sent. */
export const ALERT_SEVERITIES = ['critical', 'warning'] as const;
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

/** Where alerts are sent, and how often. Those from files change with the file, so read them for each use. */
export class AlertVariables {
  @Setting('ALERT_WEBHOOKS', {
    text: 'webhooks that receive alerts, with blanks between: `slack+https://…`, `teams+https://…`, `discord+https://…`, `pagerduty+https://KEY@events.pagerduty.com/v2/enqueue`, `generic+https://…`. See [alerts](alerts.md)',
    default: '',
    defaultText: 'none',
    example: 'slack+https://hooks.slack.com/services/T000/B000/XXXX',
    secret: true,
    parse: parseWebhooks,
  })
  @IsParsedBy('isWebhookList', 'webhooks such as slack+https://hooks.slack.com/services/…', parseWebhooks)
  readonly webhooks: readonly Webhook[];

  @Setting('ALERT_WEBHOOK_SECRET', {
    text: 'signs what `generic` webhooks receive, as [Standard Webhooks](https://www.standardwebhooks.com) describe: `whsec_` and 24 to 64 bytes in base64, or any text of at least 24 characters',
    defaultText: 'none; not signed',
    example: '',
    secret: true,
    parse: String,
  })
  @MinLength(24, { message: 'at least 24 characters long' })
  readonly webhookSecret: string | undefined;

  @Setting('ALERT_ALERTMANAGER_URLS', {
    text: 'Prometheus Alertmanagers, with blanks between: each member of a cluster receives every alert',
    default: '',
    defaultText: 'none',
    example: 'https://alertmanager.example:9093',
    secret: true,
    parse: parseHttpReceivers,
  })
  @IsParsedBy('isHttpReceiverList', 'URLs such as https://alertmanager.example:9093', parseHttpReceivers)
  readonly alertmanagers: readonly HttpReceiver[];

  @Setting('ALERT_SMTP_URL', {
    text: 'mail server: `smtps://user:password@host` (port 465), or `smtp://…` (port 587), where STARTTLS is demanded; `smtp+insecure://host` (port 25) sends without TLS and without a password',
    defaultText: 'none',
    example: 'smtps://pgkeep:password@mail.example',
    secret: true,
    parse: parseSmtp,
  })
  @IsParsedBy('isSmtpUrl', 'a URL such as smtps://user:password@mail.example', parseSmtp)
  readonly smtp: SmtpServer | undefined;

  @Setting('ALERT_MAIL_FROM', {
    text: 'sender of the mails',
    example: 'pgkeep <pgkeep@clinic.example>',
    parse: parseMailAddress,
  })
  @IsParsedBy('isMailAddress', 'a mail address', parseMailAddress)
  readonly mailFrom: string | undefined;

  @Setting('ALERT_MAIL_TO', {
    text: 'recipients of the mails, comma separated',
    default: '',
    defaultText: 'none',
    example: 'dba@clinic.example,oncall@clinic.example',
    parse: (text) => (text === '' ? [] : parseMailAddresses(text)),
  })
  @IsParsedBy('isMailAddressList', 'mail addresses with commas between', parseMailAddresses)
  readonly mailTo: readonly string[];

  @Setting('ALERT_MIN_SEVERITY', {
    text: '`warning`, or `critical`: then warnings are shown and not sent',
    default: 'warning',
    parse: oneOf(ALERT_SEVERITIES),
  })
  @IsOneOf(ALERT_SEVERITIES)
  readonly minSeverity: AlertSeverity;

  @Setting('ALERT_REPEAT_HOURS', {
    text: 'after how long a critical alert that still fires is sent again; a warning is sent again daily',
    default: '4',
    unit: 'hours',
    parse: Number,
  })
  @IsWholeNumber({ min: 1, max: 168 })
  readonly repeatHours: number;

  @Setting('ALERT_HEARTBEAT_URL', {
    text: 'requested every minute while the database is watched: an outside monitor (Healthchecks, Uptime Kuma) alerts when the requests stop',
    defaultText: 'none',
    example: 'https://hc-ping.com/00000000-0000-0000-0000-000000000000',
    secret: true,
    parse: parseHttpReceiver,
  })
  @IsParsedBy('isHttpReceiver', 'a URL such as https://hc-ping.com/…', parseHttpReceiver)
  readonly heartbeat: HttpReceiver | undefined;

  /** Whom to call. Alerts name the contact of their situation. */
  @Setting('EMERGENCY_CONTACTS', {
    text: 'whom to call: `situation | what to do first | contact`, with semicolons between. The first is the contact of alerts that fit no situation. See [alerts](alerts.md#whom-to-call)',
    default: '',
    defaultText: 'none',
    example:
      'Database outage | Check the server, then restore | Database Admin, +62 811 555 010; Security breach | Revoke access | Security Officer, +62 811 555 020',
    parse: parseContacts,
  })
  @IsParsedBy(
    'isContactList',
    'entries such as Database outage | Check the server | Database Admin, +62 …',
    parseContacts,
  )
  readonly contacts: readonly EmergencyContact[];
}

/** Returns what makes no sense together. */
export function alertFaults({
  webhooks,
  webhookSecret,
  smtp,
  mailFrom,
  mailTo,
}: Pick<AlertVariables, 'webhooks' | 'webhookSecret' | 'smtp' | 'mailFrom' | 'mailTo'>): Fault[] {
  const faults: Fault[] = [];
  if (smtp && mailFrom === undefined) {
    faults.push({
      subject: 'ALERT_SMTP_URL',
      problem: 'is set, but there is no sender: set ALERT_MAIL_FROM too',
    });
  }
  if (smtp && mailTo.length === 0) {
    faults.push({
      subject: 'ALERT_SMTP_URL',
      problem: 'is set, but there is no recipient: set ALERT_MAIL_TO too',
    });
  }
  if (!smtp && mailTo.length > 0) {
    faults.push({
      subject: 'ALERT_MAIL_TO',
      problem: 'is set, but there is no mail server: set ALERT_SMTP_URL too',
    });
  }
  if (webhookSecret !== undefined && !webhooks.some(({ kind }) => kind === 'generic')) {
    faults.push({
      subject: 'ALERT_WEBHOOK_SECRET',
      problem: 'is set, but no webhook is generic: the other kinds are not signed',
    });
  }
  return faults;
}
