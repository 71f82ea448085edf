import type { SmtpServer } from '../config/alert-receivers.js';
import { errorCode, messageOf, propertyOf } from '../core/errors.js';
import { connectionError, DeliveryError, distrusted, unansweredError } from './delivery-error.js';
import { asksForAction, factsOf, listedAlerts, oneLine, sqlLines, titleOf } from './notice-text.js';
import type { Notice, Notifier } from './notifier.types.js';

const LIMIT_MS = 20_000;
const LONGEST_SUBJECT = 200;

/** Who sends the mails, and to whom. */
export interface MailAddresses {
  readonly from: string;
  readonly to: readonly string[];
}

/** A mail: a subject of one line, and plain text. */
export interface Mail {
  readonly subject: string;
  readonly text: string;
}

/** Sends notices by mail. TLS is demanded: without it the password would go out in clear to a server that offers none. */
export class MailNotifier implements Notifier {
  readonly name = 'mail';
  readonly receives = 'changes';

  constructor(
    private readonly server: SmtpServer,
    private readonly addresses: MailAddresses,
    private readonly limitMs = LIMIT_MS,
  ) {}

  async deliver(notice: Notice, _now: Date, signal: AbortSignal): Promise<void> {
    // Loaded at the first mail: a service that sends none does not need it.
    const { createTransport } = await import('nodemailer');
    const { host, port, tls, credentials } = this.server;
    const transport = createTransport({
      host,
      port,
      secure: tls === 'always',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls === 'none',
      ...(credentials && { auth: { user: credentials.user, pass: credentials.password } }),
      connectionTimeout: this.limitMs,
      greetingTimeout: this.limitMs,
      socketTimeout: this.limitMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const limit = AbortSignal.timeout(this.limitMs);
    const ended = AbortSignal.any([signal, limit]);
    const close = (): void => transport.close();
    ended.addEventListener('abort', close, { once: true });
    try {
      await Promise.race([transport.sendMail(this.messageOf(notice)), aborted(ended)]);
    } catch (error) {
      if (ended.aborted) throw unansweredError(this.name, ended.reason, this.limitMs);
      throw mailError(error);
    } finally {
      ended.removeEventListener('abort', close);
      transport.close();
    }
  }

  private messageOf(notice: Notice) {
    const { from, to } = this.addresses;
    const thread = `<${notice.alerts[0].id}.${Date.parse(notice.alerts[0].since)}@pgkeep>`;
    return {
      from,
      to: [...to],
      ...mailOf(notice),
      // A mail that is sent twice is the same mail; those about one alert form a thread.
      messageId: `<${notice.id}@pgkeep>`,
      inReplyTo: thread,
      references: thread,
      headers: { 'Auto-Submitted': 'auto-generated' },
      ...(notice.alerts[0].severity === 'critical' && asksForAction(notice) && { priority: 'high' as const }),
    };
  }
}

/** Returns the mail of a notice. */
export function mailOf(notice: Notice): Mail {
  const { alerts, database, environment } = notice;
  const [alert, ...others] = alerts;
  const title = titleOf(notice);
  const isMany = others.length > 0;
  const lines = [
    title,
    '',
    ...(isMany ? [...listedAlerts(notice), ''] : []),
    ...(!isMany && asksForAction(notice) ? [alert.remedy, ''] : []),
    ...(!isMany && asksForAction(notice) && alert.sql !== null
      ? [
          ...sqlLines(alert.sql)
            .split('\n')
            .map((line) => `  ${line}`),
          '',
        ]
      : []),
    ...(isMany ? [] : factsOf(notice, alert).map(({ label, value }) => `${`${label}:`.padEnd(14)}${value}`)),
    '',
    'Sent by pgkeep, which runs none of these statements itself.',
    '',
  ];
  const subject = oneLine(`[${database}, ${environment}] ${title}`, LONGEST_SUBJECT);
  return { subject, text: lines.join('\n') };
}

async function aborted(signal: AbortSignal): Promise<never> {
  return await new Promise((_resolve, reject) => {
    if (signal.aborted) reject(new Error('aborted'));
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
  });
}

/** Explains a failure by nodemailer's code. Its message can quote the server, which can quote the user's name. */
function mailError(thrown: unknown): DeliveryError {
  const code = errorCode(thrown);
  const response = propertyOf(thrown, 'responseCode');
  const status = typeof response === 'number' ? ` with ${response}` : '';
  if (code === 'EAUTH') {
    return new DeliveryError(`mail: the server refused the login${status}.`, {
      hint: 'Correct the user and the password in ALERT_SMTP_URL.',
    });
  }
  if (code === 'EENVELOPE' || code === 'EMESSAGE') {
    const what = code === 'EENVELOPE' ? 'the sender or a recipient' : 'the message';
    return new DeliveryError(`mail: the server refused ${what}${status}.`, {
      hint: 'Check ALERT_MAIL_FROM and ALERT_MAIL_TO.',
    });
  }
  // nodemailer's code for a server that offers no STARTTLS, whose answer is a refusal or the lack of the extension.
  if (code === 'ETLS' && /STARTTLS/i.test(messageOf(thrown))) {
    return new DeliveryError('mail: the server offers no TLS (STARTTLS). Nothing was sent in clear.', {
      hint: 'Use smtps:// if it has TLS on port 465.',
    });
  }
  // nodemailer replaces the code of a socket's error; its message is that of OpenSSL.
  if (code === 'ESOCKET' && /certificate|issuer|altnames/i.test(messageOf(thrown)))
    return distrusted('mail', code);
  if (status !== '') return new DeliveryError(`mail: the server answered${status}.`);
  return connectionError('mail', propertyOf(thrown, 'cause') ?? thrown);
}
