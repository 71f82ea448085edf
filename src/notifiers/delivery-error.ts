import { errorCode, messageOf, PgkeepError, propertyOf } from '../core/errors.js';

/** A notice that was not taken. The message names the receiver and the cause, never the address: that is the secret. */
export class DeliveryError extends PgkeepError {
  constructor(
    message: string,
    options: {
      readonly hint?: string;
      /** How long the receiver asked to wait, in ms. */
      readonly retryAfterMs?: number | undefined;
    } = {},
  ) {
    super('ALERT_NOT_DELIVERED', message, options);
    this.retryAfterMs = options.retryAfterMs;
  }

  readonly retryAfterMs: number | undefined;
}

/** What the codes of Node.js mean, as the end of the sentence "NAME …". */
const CAUSES: readonly (readonly [RegExp, string])[] = [
  [/^(ENOTFOUND|EAI_\w+|EDNS)$/, 'cannot be found: its host name was not resolved'],
  [/^ECONNREFUSED$/, 'refused the connection'],
  [/^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/, 'closed the connection before it answered'],
  [/^(EHOSTUNREACH|ENETUNREACH)$/, 'cannot be reached from this machine'],
  [/^(ETIMEDOUT|UND_ERR_\w*TIMEOUT)$/, 'did not answer in time'],
  [/^(ERR_SSL_|EPROTO)/, 'does not speak TLS there'],
];

const TRUST_HINT =
  'Set NODE_EXTRA_CA_CERTS to the file of your certificate authority, or correct the host name.';

/** Explains why a connection failed, by its code: messages of Node.js hold host names and addresses. */
export function connectionError(name: string, thrown: unknown): DeliveryError {
  if (thrown instanceof DeliveryError) return thrown;
  // fetch() wraps the error of the connection.
  const code = errorCode(propertyOf(thrown, 'cause')) ?? errorCode(thrown) ?? '';
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) return distrusted(name, code);
  const cause = CAUSES.find(([codes]) => codes.test(code))?.[1] ?? 'cannot be reached';
  return new DeliveryError(`${name} ${cause}${code === '' ? '' : ` (${code})`}.`);
}

/** Returns the error for a certificate that does not prove that the receiver is the named host. */
export function distrusted(name: string, code: string): DeliveryError {
  const message = `${name} presented a certificate that this machine does not trust (${code}).`;
  return new DeliveryError(message, { hint: TRUST_HINT });
}

/** Explains why no answer came: the time was up, or this process stops. */
export function unansweredError(name: string, thrown: unknown, limitMs: number): DeliveryError {
  const isLate = propertyOf(thrown, 'name') === 'TimeoutError' || messageOf(thrown) === 'TimeoutError';
  return new DeliveryError(
    isLate
      ? `${name} did not answer within ${limitMs / 1000} s.`
      : `${name} was not waited for: this process stops.`,
  );
}
