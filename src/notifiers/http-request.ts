import type { Credentials, HttpReceiver } from '../config/alert-receivers.js';
import { connectionError, DeliveryError, unansweredError } from './delivery-error.js';

/** An answer that takes longer is not waited for. */
const LIMIT_MS = 10_000;
/** A receiver that asks to wait longer is asked again after this time. */
const LONGEST_WAIT_MS = 3_600_000;

/** One request to a receiver. */
export interface ReceiverRequest {
  readonly name: string;
  readonly receiver: HttpReceiver;
  readonly method: 'GET' | 'POST';
  /** A JSON document. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Defaults to 10 s. */
  readonly limitMs?: number;
}

/**
 * Sends one request. A redirect is not followed, because it could lead the secret elsewhere; the answer's body is not
 * read, because it can be of any size.
 * @throws DeliveryError where the status is not 2xx, or no answer came.
 */
export async function send(request: ReceiverRequest): Promise<void> {
  const { name, receiver, method, body, headers, signal, limitMs = LIMIT_MS } = request;
  const limit = AbortSignal.timeout(limitMs);
  let answer: Response;
  try {
    answer = await fetch(receiver.url, {
      method,
      redirect: 'manual',
      signal: AbortSignal.any([signal, limit]),
      headers: {
        'user-agent': 'pgkeep',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(receiver.credentials && { authorization: basic(receiver.credentials) }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    });
  } catch (error) {
    if (limit.aborted || signal.aborted) throw unansweredError(name, limit.reason ?? signal.reason, limitMs);
    throw connectionError(name, error);
  }
  await answer.body?.cancel().catch(() => undefined);
  if (!answer.ok) throw statusError(name, answer);
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^3/, 'A redirect is not followed: set the address that it leads to.'],
  [/^(401|403)$/, 'Its token or password is wrong, or was revoked.'],
  [/^(404|410)$/, 'The webhook was removed, or its address is wrong: make a new one.'],
  [
    /^(400|422)$/,
    'It does not understand the message: check that the kind before the + is that of the service.',
  ],
];

function statusError(name: string, { status, headers }: Response): DeliveryError {
  const hint = HINTS.find(([statuses]) => statuses.test(String(status)))?.[1];
  const retryAfterMs = waitOf(headers.get('retry-after'));
  const message = `${name} answered with status ${status}.`;
  return new DeliveryError(message, { retryAfterMs, ...(hint !== undefined && { hint }) });
}

/** Reads `Retry-After` in seconds. A date in it would need this machine's clock to be right. */
function waitOf(header: string | null): number | undefined {
  if (header === null || !/^\d{1,9}(?:\.\d+)?$/.test(header.trim())) return undefined;
  return Math.min(LONGEST_WAIT_MS, Math.ceil(Number(header) * 1000));
}

function basic({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
