import type { ClientBase } from 'pg';
import type { DatabaseUrl } from '../config/database-url.js';
import { errorCode, messageOf, PgkeepError } from '../core/errors.js';
import { type ConnectionCandidate, connectionCandidates, currentUrl } from './connection-candidates.js';
import { forgetPassword } from './password.js';
import { SQLSTATE } from './sqlstates.js';

const LOGIN_REFUSED = new Set<string>([SQLSTATE.invalidPassword, SQLSTATE.invalidAuthorizationSpecification]);

/** SQLSTATEs that no other candidate changes: the server was reached and refused. */
const FINAL_REFUSALS = new Set<string>([
  SQLSTATE.invalidPassword,
  SQLSTATE.invalidCatalogName,
  SQLSTATE.tooManyConnections,
  SQLSTATE.insufficientPrivilege,
]);

/** Codes of a failed TLS handshake; pg reports a server without TLS without a code. */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/;

/**
 * The candidates of one URL, and which of them is tried next. It stays on the one that worked and moves on
 * after a failure, so that the retries of a caller walk through hosts and encryptions. A URL whose file was replaced is
 * used from the next connection on.
 */
export class CandidateRotation {
  private now: DatabaseUrl;
  private latest: DatabaseUrl | undefined;
  private ways: readonly ConnectionCandidate[];
  private index = 0;
  private replaced = 0;

  constructor(private readonly given: DatabaseUrl) {
    this.latest = given.source?.latest();
    this.now = currentUrl(given);
    this.ways = connectionCandidates(this.now);
  }

  get url(): DatabaseUrl {
    this.refresh();
    return this.now;
  }

  get candidates(): readonly ConnectionCandidate[] {
    this.refresh();
    return this.ways;
  }

  /** How often the URL's file was replaced so far: connections of an earlier one are stale. */
  get generation(): number {
    this.refresh();
    return this.replaced;
  }

  get current(): ConnectionCandidate {
    const { candidates } = this;
    const candidate = candidates[this.index % candidates.length];
    if (!candidate) throw new RangeError('a database URL has at least one host');
    return candidate;
  }

  /**
   * Moves on from a candidate that failed, unless another connection did so already. The other encryption is tried only
   * after a server refused the first: an outage must not end in a connection without TLS.
   */
  failed(candidate: ConnectionCandidate, error: unknown): void {
    const code = errorCode(error) ?? '';
    // A refusal of pgkeep's own is final too.
    const isFinal = FINAL_REFUSALS.has(code) || error instanceof PgkeepError;
    if (candidate !== this.current || isFinal) return;
    // 28000: pg_hba.conf has no line for this host with (or without) TLS.
    const isAboutEncryption = isTlsError(error) || code === SQLSTATE.invalidAuthorizationSpecification;
    this.index += 1;
    if (isAboutEncryption) return;
    while (this.current.isFallback) this.index += 1;
  }

  /**
   * Returns whether a connection that failed can be tried again with other credentials: the URL's file was replaced, or
   * the password was a cached one.
   * @param generation when the failed attempt began
   */
  hasOtherCredentials(error: unknown, generation: number): boolean {
    if (!isAuthenticationError(error)) return false;
    const isForgotten = forgetPassword(this.url, this.current);
    return isForgotten || this.generation !== generation;
  }

  /** Adds to a refusal of the credentials that the URL's file holds nothing usable. */
  explained(error: unknown): unknown {
    const { source } = this.given;
    const fault = isAuthenticationError(error) ? source?.fault() : undefined;
    if (source === undefined || fault === undefined) return error;
    const message = `${messageOf(error)} (${source.setting} ${fault}; its previous URL was used)`;
    return Object.assign(new Error(message, { cause: error }), { code: errorCode(error) });
  }

  private refresh(): void {
    const latest = this.given.source?.latest();
    if (latest === this.latest) return;
    const now = currentUrl(this.given);
    this.ways = connectionCandidates(now);
    this.now = now;
    this.latest = latest;
    this.index = 0;
    this.replaced += 1;
  }
}

const generations = new WeakMap<ClientBase, number>();

/** Remembers which state of the URL's file a connection was made from. */
export function rememberGeneration(client: ClientBase, generation: number): void {
  generations.set(client, generation);
}

/** Returns whether the URL's file was replaced since the connection was made. */
export function isStale(client: ClientBase, rotation: CandidateRotation): boolean {
  return generations.get(client) !== rotation.generation;
}

/**
 * Runs something that connects to the rotation's current candidate, once for each candidate of the URL, and once more
 * with other credentials where the server refused those and there are others now.
 * @throws the last candidate's error.
 */
export async function walkCandidates<T>(rotation: CandidateRotation, attempt: () => Promise<T>): Promise<T> {
  let mayRenew = true;
  for (let remaining = rotation.candidates.length; ; remaining -= 1) {
    const { current: before, generation } = rotation;
    try {
      return await attempt();
    } catch (error) {
      if (mayRenew && rotation.hasOtherCredentials(error, generation)) {
        mayRenew = false;
        remaining += 1;
        continue;
      }
      // A final refusal leaves the rotation where it was.
      if (remaining <= 1 || rotation.current === before) throw error;
    }
  }
}

/** Returns whether the server refused the credentials. pg's own error for a URL without a password has no code. */
export function isAuthenticationError(error: unknown): boolean {
  return LOGIN_REFUSED.has(errorCode(error) ?? '') || messageOf(error).startsWith('SASL: ');
}

/** Returns whether the encryption of a connection failed. */
export function isTlsError(error: unknown): boolean {
  return TLS_CODE.test(errorCode(error) ?? '') || /SSL connection/.test(messageOf(error));
}
