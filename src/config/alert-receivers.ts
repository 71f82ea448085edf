/** The services whose own format a webhook can have; `generic` is pgkeep's own JSON document. */
export const WEBHOOK_KINDS = ['generic', 'slack', 'teams', 'discord', 'pagerduty'] as const;
export type WebhookKind = (typeof WEBHOOK_KINDS)[number];

/** A user and a password, for HTTP's basic authentication and for SMTP. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** An HTTP address, without its credentials. */
export interface HttpReceiver {
  readonly url: string;
  readonly credentials: Credentials | undefined;
}

/** A webhook. For PagerDuty the user is the routing key. */
export interface Webhook extends HttpReceiver {
  readonly kind: WebhookKind;
}

/** A mail server. */
export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** `always`: TLS from the first byte. `starttls`: demanded before anything is sent. `none`: said to be insecure. */
  readonly tls: 'always' | 'starttls' | 'none';
  readonly credentials: Credentials | undefined;
}

/** Whom to call in which situation, and what to do first (*seed*). */
export interface EmergencyContact {
  readonly situation: string;
  readonly action: string;
  readonly contact: string;
}

const PREFIXES = WEBHOOK_KINDS.map((kind) => `${kind}+https://`).join(', ');

/**
 * Parses `ALERT_WEBHOOKS`: `slack+https://…` and others, with blanks between.
 * @throws Error that names the wrong entry by its number: the entry itself is a secret.
 */
export function parseWebhooks(text: string): Webhook[] {
  return text
    .split(/\s+/)
    .filter((entry) => entry !== '')
    .map((entry, index) => parseWebhook(entry, `entry ${index + 1}`));
}

function parseWebhook(entry: string, which: string): Webhook {
  const [, prefix = '', insecure, address = ''] = /^([a-z]+)\+(insecure\+)?(https?:.*)$/i.exec(entry) ?? [];
  const kind = WEBHOOK_KINDS.find((known) => known === prefix.toLowerCase());
  if (kind === undefined) throw new Error(`${which} must begin with one of ${PREFIXES}`);
  const receiver = parseHttp(address, which, { isInsecureAllowed: insecure !== undefined });
  if (kind === 'pagerduty' && !receiver.credentials) {
    throw new Error(
      `${which} must name the routing key: pagerduty+https://KEY@events.pagerduty.com/v2/enqueue`,
    );
  }
  return { kind, ...receiver };
}

/**
 * Parses HTTP addresses with blanks or commas between; `insecure+http://…` allows one without TLS.
 * @throws Error that names the wrong entry by its number.
 */
export function parseHttpReceivers(text: string): HttpReceiver[] {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
  return entries.map((entry, index) => {
    const address = entry.replace(/^insecure\+/i, '');
    const isInsecureAllowed = address !== entry;
    return parseHttp(address, entries.length === 1 ? 'it' : `entry ${index + 1}`, { isInsecureAllowed });
  });
}

/** Parses one HTTP address. @throws Error that does not quote it. */
export function parseHttpReceiver(text: string): HttpReceiver {
  const [receiver, ...others] = parseHttpReceivers(text);
  if (!receiver || others.length > 0) throw new Error('it is not one URL');
  return receiver;
}

function parseHttp(
  address: string,
  which: string,
  { isInsecureAllowed }: { isInsecureAllowed: boolean },
): HttpReceiver {
  if (!URL.canParse(address)) throw new Error(`${which} is not a URL`);
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol)) throw new Error(`${which} must be an https:// URL`);
  if (url.protocol === 'http:' && !isInsecureAllowed && !isLoopback(url.hostname)) {
    throw new Error(
      `${which} would be sent without TLS: use https://, or write insecure+http:// to allow it`,
    );
  }
  if (url.hash !== '') throw new Error(`${which} ends in a fragment (#…), which is never sent`);
  const credentials = credentialsOf(url, which);
  url.username = '';
  url.password = '';
  return { url: url.href, credentials };
}

const SMTP_PORTS: Readonly<Record<SmtpServer['tls'], number>> = { always: 465, starttls: 587, none: 25 };
const SMTP_TLS = new Map<string, SmtpServer['tls']>([
  ['smtps:', 'always'],
  ['smtp:', 'starttls'],
  ['smtp+insecure:', 'none'],
]);

/**
 * Parses `ALERT_SMTP_URL`: `smtps://user:password@host`, `smtp://…` with STARTTLS, or `smtp+insecure://host` without TLS.
 * @throws Error that does not quote it.
 */
export function parseSmtp(text: string): SmtpServer {
  if (!URL.canParse(text)) throw new Error('it is not a URL');
  const url = new URL(text);
  const tls = SMTP_TLS.get(url.protocol);
  if (tls === undefined) throw new Error('it must begin with smtps:// or smtp://');
  if (url.hostname === '') throw new Error('it names no host');
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '') {
    throw new Error('it must end after the host and the port');
  }
  const credentials = credentialsOf(url, 'it');
  if (tls === 'none' && credentials) {
    throw new Error('smtp+insecure:// would send the password in clear: use smtps:// or smtp://');
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: url.port === '' ? SMTP_PORTS[tls] : Number(url.port), tls, credentials };
}

/** Parses mail addresses with commas between: `dba@example.org, On call <oncall@example.org>`. @throws Error */
export function parseMailAddresses(text: string): string[] {
  return text.split(',').map((entry) => {
    const address = entry.trim();
    if (!/^(?:[^<>@,;"\p{Cc}]+ <[^\s<>@,;"]+@[^\s<>@,;"]+>|[^\s<>@,;"]+@[^\s<>@,;"]+)$/u.test(address)) {
      throw new Error(`"${address}" is not a mail address`);
    }
    return address;
  });
}

/** Parses one mail address. @throws Error */
export function parseMailAddress(text: string): string {
  const [address, ...others] = parseMailAddresses(text);
  if (address === undefined || others.length > 0) throw new Error('it must be one address');
  return address;
}

/**
 * Parses `EMERGENCY_CONTACTS`: `situation | what to do | whom to call`, with semicolons or new lines between.
 * @throws Error that names the wrong entry.
 */
export function parseContacts(text: string): EmergencyContact[] {
  return text
    .split(/[;\n]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry, index) => {
      const parts = entry.split('|').map((part) => part.trim());
      const [situation = '', action = '', contact = ''] = parts;
      if (parts.length !== 3 || parts.includes('') || /\p{Cc}/u.test(entry)) {
        throw new Error(`entry ${index + 1} must have three parts with | between`);
      }
      return { situation, action, contact };
    });
}

function credentialsOf({ username, password }: URL, which: string): Credentials | undefined {
  if (username === '' && password === '') return undefined;
  try {
    return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    throw new Error(`${which} has a user or password that is not percent-encoded correctly`);
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname);
}
