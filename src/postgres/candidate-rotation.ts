import type { ClientBase } from 'pg';
import type { DatabaseUrl } from '../config/database-url.js';
import { errorCode, messageOf, PgkeepError } from '../core/errors.js';
import { type ConnectionCandidate, connectionCandidates, currentUrl } from './connection-candidates.js';
import { forgetPassword } from './password.js';
import { SQLSTATE } from './sqlstates.js';

/** SQLSTATEs that another candidate cannot mend: the server was reached, and said a final no. */
const LOGIN_REFUSED = new Set<string>([SQLSTATE.invalidPassword, SQLSTATE.invalidAuthorizationSpecification]);
const FINAL_REFUSALS = new Set<string>([
  SQLSTATE.invalidPassword,
  SQLSTATE.invalidCatalogName,
  SQLSTATE.tooManyConnections,
  SQLSTATE.insufficientPrivilege,
]);

/** What a TLS handshake fails with; pg gives a server without TLS no code of its own. */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/;

/**
 * The candidates of one URL, and which of them is tried next. It stays on the one that worked and moves on
 * after a failure, so that the retries of a caller walk through hosts and encryptions. A URL whose file was
 * replaced is taken for the next connection.
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
   * Moves on from a candidate that failed, unless somebody else did so already. Only a server that refused the
   * encryption is tried with the other one: an outage must not end in a connection without TLS.
   */
  failed(candidate: ConnectionCandidate, error: unknown): void {
    const code = errorCode(error) ?? '';
    // What pgkeep itself refuses is as final.
    const isFinal = FINAL_REFUSALS.has(code) || error instanceof PgkeepError;
    if (candidate !== this.current || isFinal) return;
    // 28000: pg_hba.conf has no line for this host with (or without) TLS.
    const isAboutEncryption = isTlsError(error) || code === SQLSTATE.invalidAuthorizationSpecification;
    this.index += 1;
    if (isAboutEncryption) return;
    while (this.current.isFallback) this.index += 1;
  }

  /**
   * Whether a connection that failed may be tried again with other credentials: the URL's file was replaced
   * meanwhile, or the password was one that had been used before.
   * @param generation when the failed attempt began
   */
  hasOtherCredentials(error: unknown, generation: number): boolean {
    if (!isAuthenticationError(error)) return false;
    const isForgotten = forgetPassword(this.url, this.current);
    return isForgotten || this.generation !== generation;
  }

  /** What the server's refusal may rest on: a file that holds nothing usable. */
  explained(error: unknown): unknown {
    const { source } = this.given;
    const fault = isAuthenticationError(error) ? source?.fault() : undefined;
    if (source === undefined || fault === undefined) return error;
    const message = `${messageOf(error)} (${source.setting} ${fault}; the URL that it held before was used)`;
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

/** Notes which state of the URL's file a connection is made from. */
export function rememberGeneration(client: ClientBase, generation: number): void {
  generations.set(client, generation);
}

/** Whether the URL's file was replaced since the connection was made. */
export function isStale(client: ClientBase, rotation: CandidateRotation): boolean {
  return generations.get(client) !== rotation.generation;
}

/**
 * Runs something that connects to the rotation's current candidate, walking once through the URL's candidates; once
 * more with other credentials, where the server refused those and there are others by now.
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

/** Whether the server refused the credentials. pg's own words have no code, where the URL has no password. */
export function isAuthenticationError(error: unknown): boolean {
  return LOGIN_REFUSED.has(errorCode(error) ?? '') || messageOf(error).startsWith('SASL: ');
}

/** Whether the encryption of a connection is what failed. */
export function isTlsError(error: unknown): boolean {
  return TLS_CODE.test(errorCode(error) ?? '') || /SSL connection/.test(messageOf(error));
}
