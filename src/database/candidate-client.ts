import { callbackify } from 'node:util';
import { Client, type ClientConfig } from 'pg';
import type { DatabaseUrl, SessionAttributes } from '../config/database-url.js';
import { errorCode, messageOf } from '../errors.js';
import { connectionCandidates, type ConnectionCandidate } from './connection-candidates.js';

/** What is the same for every connection of one kind. */
export interface ConnectionOptions {
  /** Longest wait for one connection, ms. */
  readonly connectTimeoutMs: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Longest wait of the client for one answer, ms: the second fence behind the server's statement_timeout. */
  readonly answerTimeoutMs: number;
}

/** SQLSTATEs that another candidate cannot mend: the server was reached, and said a final no. */
const FINAL_REFUSALS = new Set(['28P01', '3D000', '53300', '42501']);

/** What a TLS handshake fails with; pg gives a server without TLS no code of its own. */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/;

/**
 * The candidates of one URL, and which of them is tried next. It stays on the one that worked and moves on
 * after a failure, so that the retries of a caller walk through hosts and encryptions.
 */
export class CandidateRotation {
  readonly candidates: readonly ConnectionCandidate[];
  private index = 0;

  constructor(readonly url: DatabaseUrl) {
    this.candidates = connectionCandidates(url);
  }

  get current(): ConnectionCandidate {
    const candidate = this.candidates[this.index % this.candidates.length];
    if (!candidate) throw new RangeError('a database URL has at least one host');
    return candidate;
  }

  /**
   * Moves on from a candidate that failed, unless somebody else did so already. Only a server that refused the
   * encryption is tried with the other one: an outage must not end in a connection without TLS.
   */
  failed(candidate: ConnectionCandidate, error: unknown): void {
    const code = errorCode(error) ?? '';
    if (candidate !== this.current || FINAL_REFUSALS.has(code)) return;
    // 28000: pg_hba.conf has no line for this host with (or without) TLS.
    const isAboutEncryption = isTlsError(error) || code === '28000';
    this.index += 1;
    if (isAboutEncryption) return;
    while (this.current.isFallback) this.index += 1;
  }
}

/**
 * A `pg.Client` that connects to the rotation's current candidate and accepts only the kind of server that
 * `target_session_attrs` asks for. Made for `pg.Pool`'s `Client` option, hence a class and not a function.
 */
export function candidateClient(rotation: CandidateRotation, options: ConnectionOptions): new () => Client {
  return class CandidateClient extends Client {
    private readonly candidate: ConnectionCandidate;

    constructor() {
      const candidate = rotation.current;
      super(clientConfig(rotation.url, candidate, options));
      this.candidate = candidate;
      // A connection that breaks while nobody waits for it must not end the process; the next use finds it broken.
      this.on('error', () => undefined);
    }

    override connect(): Promise<Client>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<Client> | void {
      if (!callback) return this.attempt();
      callbackify(() => this.attempt())(callback);
    }

    private async attempt(): Promise<Client> {
      try {
        await super.connect();
        await requireSessionAttributes(this, rotation.url.sessionAttributes);
        return this;
      } catch (error) {
        rotation.failed(this.candidate, error);
        this.connection.stream.destroy();
        throw error;
      }
    }
  };
}

/** Discrete fields, never `connectionString`: node-postgres lets the string win over everything beside it. */
function clientConfig(
  url: DatabaseUrl,
  candidate: ConnectionCandidate,
  options: ConnectionOptions,
): ClientConfig {
  return {
    host: candidate.host,
    port: candidate.port,
    ssl: candidate.ssl,
    database: url.database,
    user: url.user,
    password: url.password,
    options: url.options,
    application_name: options.applicationName,
    connectionTimeoutMillis: Math.min(url.connectTimeoutMs || Infinity, options.connectTimeoutMs),
    query_timeout: options.answerTimeoutMs,
    keepAlive: true,
  };
}

/** The server is not the kind that `target_session_attrs` asks for. */
export class UnsuitableServerError extends Error {
  override readonly name = 'UnsuitableServerError';
}

async function requireSessionAttributes(client: Client, wanted: SessionAttributes): Promise<void> {
  // "prefer-standby" is content with any server; which one is found first depends on the order of the hosts.
  if (wanted === 'any' || wanted === 'prefer-standby') return;
  const { rows } = await client.query<{ recovery: boolean; read_only: string }>(
    `SELECT pg_is_in_recovery() AS recovery, current_setting('transaction_read_only') AS read_only`,
  );
  const recovery = rows[0]?.recovery === true;
  const readOnly = recovery || rows[0]?.read_only === 'on';
  const suits = { 'read-write': !readOnly, 'read-only': readOnly, primary: !recovery, standby: recovery }[
    wanted
  ];
  if (!suits) throw new UnsuitableServerError(`the server is not ${wanted}, as target_session_attrs asks`);
}

/** Whether the encryption of a connection is what failed. */
export function isTlsError(error: unknown): boolean {
  return TLS_CODE.test(errorCode(error) ?? '') || /SSL connection/.test(messageOf(error));
}
