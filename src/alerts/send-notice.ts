import { messageOf } from '../core/errors.js';
import { DeliveryError } from '../notifiers/delivery-error.js';
import type { Notice, Notifier } from '../notifiers/notifier.types.js';

/** How one try to send a message ended. */
export type Sending =
  | { readonly isSent: true; readonly durationMs: number }
  | {
      readonly isSent: false;
      readonly durationMs: number;
      /** Without addresses and secrets. */
      readonly error: string;
      readonly hint: string | undefined;
      /** How long the receiver asked to wait, in ms; 0 if it did not. */
      readonly retryAfterMs: number;
    };

/** Shorter than a claim lasts, so that no other replica sends the same meanwhile. */
const LIMIT_MS = 50_000;

/** Tries to send a message once. Never throws. */
export async function sendNotice(
  notifier: Notifier,
  notice: Notice,
  now: Date,
  stop: AbortSignal,
): Promise<Sending> {
  const startedMs = performance.now();
  const took = (): number => Math.round(performance.now() - startedMs);
  try {
    await notifier.deliver(notice, now, AbortSignal.any([stop, AbortSignal.timeout(LIMIT_MS)]));
    return { isSent: true, durationMs: took() };
  } catch (error) {
    // Any other error is a fault of pgkeep's own, and could hold anything.
    const isKnown = error instanceof DeliveryError;
    return {
      isSent: false,
      durationMs: took(),
      error: isKnown ? messageOf(error) : `${notifier.name} could not be used (${errorName(error)}).`,
      hint: isKnown ? error.hint : undefined,
      retryAfterMs: isKnown ? (error.retryAfterMs ?? 0) : 0,
    };
  }
}

function errorName(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
