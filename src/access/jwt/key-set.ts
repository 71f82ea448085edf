import { Logger } from '@nestjs/common';
import type { CryptoKey, FlattenedJWSInput, JSONWebKeySet, JWSHeaderParameters } from 'jose';
import { createLocalJWKSet } from 'jose/jwks/local';
import type { Clock } from '../../core/clock.js';
import { errorCode, PgkeepError, propertyOf } from '../../core/errors.js';
import { connectionError, unansweredError } from '../../notifiers/delivery-error.js';

/** A key set is read again after this time, so that a key that was withdrawn stops to count. */
const FRESH_MS = 600_000;
/** It is read at most this often, whatever keys tokens name. */
const REST_MS = 30_000;
/** While it cannot be read, the last one counts, but no longer than this. */
const LONGEST_MS = 86_400_000;

const TIMEOUT_MS = 3000;
/** No issuer has so many keys. */
const LARGEST_BYTES = 262_144;

type LocalKeySet = ReturnType<typeof createLocalJWKSet>;

/** The public keys of an issuer, read from its key set (RFC 7517). */
export class KeySet {
  private readonly logger = new Logger('Access');
  private keys: LocalKeySet | undefined;
  private readAt = -Infinity;
  private triedAt = -Infinity;
  private reading: Promise<void> | undefined;
  /** Whether this outage was logged: a line for each outage is enough. */
  private isLogged = false;

  constructor(
    private readonly url: string,
    private readonly clock: Clock,
  ) {}

  /**
   * Returns the key that a token's header names. A key that is not known yet is looked for in the newest set.
   * @throws PgkeepError `JWT_KEYS_UNAVAILABLE`; an error of jose where the issuer has no such key.
   */
  async key(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    if (this.age() >= FRESH_MS) await this.refresh();
    const known = this.usable();
    try {
      return await known(header, token);
    } catch (error) {
      if (errorCode(error) !== 'ERR_JWKS_NO_MATCHING_KEY') throw error;
      await this.refresh();
      if (this.usable() === known) throw error;
      return await this.usable()(header, token);
    }
  }

  private usable(): LocalKeySet {
    if (this.keys && this.age() < LONGEST_MS) return this.keys;
    throw new PgkeepError(
      'JWT_KEYS_UNAVAILABLE',
      'Cannot check the JSON Web Token: the keys of its issuer cannot be read.',
      {
        hint: 'Check that this machine reaches ADMIN_JWT_JWKS_URL: the log has the reason.',
      },
    );
  }

  private age(): number {
    return this.clock.monotonicMs() - this.readAt;
  }

  /** Reads the set, unless that was tried just now. A failure leaves the last one. */
  private async refresh(): Promise<void> {
    const now = this.clock.monotonicMs();
    if (!this.reading && now - this.triedAt >= REST_MS) {
      this.triedAt = now;
      this.reading = this.read().finally(() => (this.reading = undefined));
    }
    await this.reading;
  }

  private async read(): Promise<void> {
    try {
      this.keys = createLocalJWKSet(await readKeySet(this.url));
      this.readAt = this.clock.monotonicMs();
      this.isLogged = false;
    } catch (error) {
      const { message, hint } = faultOf(error);
      if (this.isLogged) return;
      this.isLogged = true;
      this.logger.warn(
        [`Cannot read the keys of the issuer of JSON Web Tokens: ${message}`, hint].filter(Boolean).join(' '),
      );
    }
  }
}

/** Whose answer it is, as the subject of a message. */
const SERVER = 'ADMIN_JWT_JWKS_URL';

/** Fetches a key set. Follows no redirect, and reads no more than a key set can have. @throws Error. */
async function readKeySet(url: string): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    redirect: 'manual',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new KeySetError(`${SERVER} answered with status ${response.status}.`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > LARGEST_BYTES)
      throw new KeySetError(`${SERVER} answered with more than ${LARGEST_BYTES} bytes.`);
    chunks.push(chunk);
  }
  try {
    const document: JSONWebKeySet = JSON.parse(Buffer.concat(chunks).toString());
    return document;
  } catch {
    throw new KeySetError(`${SERVER} answered with something else than JSON.`);
  }
}

/** An answer that is no key set. */
class KeySetError extends Error {
  readonly hint = undefined;
}

/** Explains why the keys could not be read. */
function faultOf(thrown: unknown): { readonly message: string; readonly hint?: string | undefined } {
  if (thrown instanceof KeySetError) return thrown;
  if (errorCode(thrown) === 'ERR_JWKS_INVALID')
    return { message: `${SERVER} answered with no list of keys.` };
  return propertyOf(thrown, 'name') === 'TimeoutError'
    ? unansweredError(SERVER, thrown, TIMEOUT_MS)
    : connectionError(SERVER, thrown);
}
