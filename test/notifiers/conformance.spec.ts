import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { parseSmtp, parseWebhooks, WEBHOOK_KINDS } from '../../src/config/alert-receivers.js';
import { AlertmanagerNotifier } from '../../src/notifiers/alertmanager.notifier.js';
import { DeliveryError } from '../../src/notifiers/delivery-error.js';
import { beat } from '../../src/notifiers/heartbeat.js';
import { MailNotifier } from '../../src/notifiers/mail.notifier.js';
import { WebhookNotifier } from '../../src/notifiers/webhook.notifier.js';
import { HttpReceiver } from '../support/http-receiver.js';
import { MailReceiver } from '../support/mail-receiver.js';
import { selfSigned } from '../support/server-certificates.js';
import { until } from '../support/until.js';
import { noticeOf } from './notices.js';

const NOW = new Date('2026-11-27T02:10:05Z');
const SECRET_PATH = '/services/T000/hunter2';
const SECRETS = /hunter2|127\.0\.0\.1|nowhere\.invalid/;

/** Sends one notice to an address; `never` is a signal that is not aborted. */
type Send = (url: string, signal: AbortSignal) => Promise<void>;

const never = (): AbortSignal => new AbortController().signal;

/** The implementations that speak HTTP. */
const HTTP: readonly (readonly [string, Send])[] = [
  ...WEBHOOK_KINDS.map((kind): [string, Send] => [
    kind,
    async (url, signal) => {
      const address = kind === 'pagerduty' ? url.replace('://', '://hunter2@') : url;
      const [webhook] = parseWebhooks(`${kind}+insecure+${address}`.replace('insecure+https', 'https'));
      if (!webhook) throw new Error('no webhook');
      await new WebhookNotifier(kind, webhook).deliver(noticeOf(), NOW, signal);
    },
  ]),
  [
    'alertmanager',
    async (url, signal) =>
      await new AlertmanagerNotifier('alertmanager', { url, credentials: undefined }).deliver(
        noticeOf({ event: 'state' }),
        NOW,
        signal,
      ),
  ],
  ['heartbeat', async (url, signal) => await beat({ url, credentials: undefined }, signal)],
];

async function failureOf(work: Promise<void>): Promise<DeliveryError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof DeliveryError)) throw new Error(`not a DeliveryError: ${String(error)}`);
  // Everything that could be logged.
  expect(`${error.stack ?? ''}${error.message}${error.hint ?? ''}${String(error.cause)}`).not.toMatch(
    SECRETS,
  );
  return error;
}

describe.each(HTTP)('the notifier %s', (name, deliver) => {
  let receiver: HttpReceiver;
  beforeAll(async () => {
    receiver = await HttpReceiver.start();
  });
  afterEach(() => receiver.reset());
  afterAll(async () => await receiver.close());

  it('delivers one request', async () => {
    await deliver(receiver.url(SECRET_PATH), never());
    expect(receiver.received).toHaveLength(1);
    expect(receiver.received[0]).toMatchObject({
      method: name === 'heartbeat' ? 'GET' : 'POST',
      headers: { 'user-agent': 'pgkeep' },
    });
    expect(receiver.received[0]?.path).toMatch(/^\/services\/T000\/hunter2(\/api\/v2\/alerts)?$/);
  });

  it('reports a refusal by its status', async () => {
    receiver.answer = (response) => response.writeHead(500).end('hunter2');
    const error = await failureOf(deliver(receiver.url(SECRET_PATH), never()));
    expect(error.message).toBe(`${name} answered with status 500.`);
    expect(error.retryAfterMs).toBeUndefined();
  });

  it('keeps the time that the receiver asks to wait, and no more than an hour', async () => {
    receiver.answer = (response) => response.writeHead(429, { 'retry-after': '17' }).end();
    const error = await failureOf(deliver(receiver.url(), never()));
    expect([error.message, error.retryAfterMs]).toEqual([`${name} answered with status 429.`, 17_000]);
    receiver.answer = (response) => response.writeHead(429, { 'retry-after': '99999999' }).end();
    expect((await failureOf(deliver(receiver.url(), never()))).retryAfterMs).toBe(3_600_000);
  });

  it('follows no redirect', async () => {
    const elsewhere = await HttpReceiver.start();
    receiver.answer = (response) => response.writeHead(307, { location: elsewhere.url('/stolen') }).end();
    try {
      const error = await failureOf(deliver(receiver.url(SECRET_PATH), never()));
      expect(error.message).toBe(`${name} answered with status 307.`);
      expect(error.hint).toBe('A redirect is not followed: set the address that it leads to.');
      expect(elsewhere.received).toEqual([]);
    } finally {
      await elsewhere.close();
    }
  });

  it('does not wait for a receiver that hangs once it is stopped', async () => {
    receiver.answer = () => undefined;
    const stop = new AbortController();
    const failure = failureOf(deliver(receiver.url(SECRET_PATH), stop.signal));
    await until(() => receiver.received.length === 1);
    stop.abort();
    expect((await failure).message).toBe(`${name} was not waited for: this process stops.`);
  });

  it('does not read an answer of any size', async () => {
    let written = 0;
    receiver.answer = (response) => {
      const chunk = Buffer.alloc(1024 * 1024);
      response.writeHead(200, { 'content-length': String(1024 ** 3) });
      const write = (): void => {
        while (!response.destroyed && written < 1024) {
          written += 1;
          if (!response.write(chunk)) return;
        }
      };
      response.on('drain', write);
      write();
    };
    await deliver(receiver.url(), never());
    expect(written).toBeLessThan(64);
  });

  it('reports a certificate that is not trusted', async () => {
    const tls = await HttpReceiver.start(await selfSigned(['127.0.0.1']));
    try {
      const error = await failureOf(deliver(tls.url(SECRET_PATH), never()));
      expect(error.message).toBe(
        `${name} presented a certificate that this machine does not trust (DEPTH_ZERO_SELF_SIGNED_CERT).`,
      );
      expect(error.hint).toBe(
        'Set NODE_EXTRA_CA_CERTS to the file of your certificate authority, or correct the host name.',
      );
      expect(tls.received).toEqual([]);
    } finally {
      await tls.close();
    }
  });

  it('reports a host that is gone, a port that is closed, and a connection that breaks', async () => {
    const gone = await failureOf(deliver('http://nowhere.invalid/hunter2', never()));
    expect(gone.message).toMatch(
      new RegExp(`^${name} cannot be found: its host name was not resolved \\((ENOTFOUND|EAI_AGAIN)\\)\\.$`),
    );
    const closed = await HttpReceiver.start();
    const url = closed.url(SECRET_PATH);
    await closed.close();
    expect((await failureOf(deliver(url, never()))).message).toBe(
      `${name} refused the connection (ECONNREFUSED).`,
    );
    receiver.answer = (response) => response.destroy();
    expect((await failureOf(deliver(receiver.url(SECRET_PATH), never()))).message).toMatch(
      new RegExp(`^${name} closed the connection before it answered \\((UND_ERR_SOCKET|ECONNRESET)\\)\\.$`),
    );
  });
});

describe('the notifier mail', () => {
  const addresses = { from: 'pgkeep <pgkeep@clinic.example>', to: ['dba@clinic.example'] };
  let mail: MailReceiver;
  beforeAll(async () => {
    mail = await MailReceiver.start();
  });
  afterAll(async () => await mail.close());

  const deliver = async (url: string, signal = never(), limitMs = 10_000): Promise<void> =>
    await new MailNotifier(parseSmtp(url), addresses, limitMs).deliver(noticeOf(), NOW, signal);

  it('sends nothing, and no password, to a server whose certificate is not trusted', async () => {
    const error = await failureOf(deliver(`smtp://pgkeep:hunter2@127.0.0.1:${mail.port}`));
    expect(error.message).toMatch(
      /^mail presented a certificate that this machine does not trust \(\w+\)\.$/,
    );
    const tls = await MailReceiver.start({ secure: true });
    try {
      const other = await failureOf(deliver(`smtps://pgkeep:hunter2@127.0.0.1:${tls.port}`));
      expect(other.message).toMatch(
        /^mail presented a certificate that this machine does not trust \(\w+\)\.$/,
      );
      expect([mail.logins, tls.logins, mail.mails, tls.mails]).toEqual([[], [], [], []]);
    } finally {
      await tls.close();
    }
  });

  it('sends nothing, and no password, to a server without TLS', async () => {
    const clear = await MailReceiver.start({
      hideSTARTTLS: true,
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
    });
    try {
      const error = await failureOf(deliver(`smtp://pgkeep:hunter2@127.0.0.1:${clear.port}`));
      expect(error.message).toBe('mail: the server offers no TLS (STARTTLS). Nothing was sent in clear.');
      expect([clear.logins, clear.mails]).toEqual([[], []]);
    } finally {
      await clear.close();
    }
  });

  it('sends without TLS and without a password where the URL says so', async () => {
    const clear = await MailReceiver.start({ authOptional: true });
    try {
      await deliver(`smtp+insecure://127.0.0.1:${clear.port}`);
      await clear.untilMails(1);
      expect(clear.mails[0]).toContain('Subject: [clinic, production] CRITICAL: 2 sessions wait for');
      expect(clear.mails[0]).toContain('Message-ID: <0f8fad5b-d9cb-469f-a165-70867728950e@pgkeep>');
    } finally {
      await clear.close();
    }
  });

  it('reports a server that refuses a recipient, that hangs, that is gone', async () => {
    const strict = await MailReceiver.start({
      authOptional: true,
      onRcptTo: (_address, _session, done) => {
        done(Object.assign(new Error('hunter2'), { responseCode: 550 }));
      },
    });
    const silent = await HttpReceiver.start();
    try {
      const refused = await failureOf(deliver(`smtp+insecure://127.0.0.1:${strict.port}`));
      expect([refused.message, refused.hint]).toEqual([
        'mail: the server refused the sender or a recipient with 550.',
        'Check ALERT_MAIL_FROM and ALERT_MAIL_TO.',
      ]);
      // An HTTP server waits for a request, as a mail server waits for nothing: it greets first.
      const hanging = await failureOf(deliver(`smtp+insecure://127.0.0.1:${silent.port}`, never(), 300));
      expect(hanging.message).toMatch(/^mail did not answer (in time \(ETIMEDOUT\)|within 0\.3 s)\.$/);
      const gone = await failureOf(deliver('smtp+insecure://nowhere.invalid'));
      expect(gone.message).toMatch(/^mail cannot be found: its host name was not resolved \(\w+\)\.$/);
    } finally {
      await Promise.all([strict.close(), silent.close()]);
    }
  });
});
