import { callbackify } from 'node:util';
import { Client, type ClientConfig } from 'pg';
import {
  type DatabaseUrl,
  describeDatabaseUrl,
  type SameDatabase,
  type SessionAttributes,
} from '../config/database-url.js';
import { errorCode, messageOf, PgkeepError } from '../core/errors.js';
import { CandidateRotation, rememberGeneration, walkCandidates } from './candidate-rotation.js';
import type { ConnectionCandidate } from './connection-candidates.js';
import { closeClient, cutWithoutAnswer } from './deadline.js';
import { markStatements } from './mark.js';
import { passwordOf } from './password.js';
import { type SessionNeeds, takeSession, watchServer } from './session.js';
import { SQLSTATE } from './sqlstates.js';

/** When TCP begins to ask whether the other end is still there: the system's own default is two hours. */
const KEEPALIVE_AFTER_MS = 30_000;

/** Options of every connection of one kind. */
export interface ConnectionOptions extends SessionNeeds {
  /** Longest wait for one connection, ms. */
  readonly connectTimeoutMs: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Longest wait of the client for one answer, ms: in case the server's statement_timeout does not act. */
  readonly answerTimeoutMs: number;
}

/**
 * A `pg.Client` that connects to the rotation's current candidate and accepts only the kind of server that
 * `target_session_attrs` asks for. A class and not a function, for `pg.Pool`'s `Client` option.
 */
export function candidateClient(rotation: CandidateRotation, options: ConnectionOptions): new () => Client {
  const openSecond = async (): Promise<Client> => await openThroughPooler(rotation, options);
  const openOther = async (url: DatabaseUrl): Promise<Client> =>
    await openThroughPooler(new CandidateRotation(url), options);

  return class CandidateClient extends Client {
    private readonly candidate: ConnectionCandidate;
    private readonly url: DatabaseUrl;
    private readonly secret: { password?: string | undefined };
    private announcedPid: number | undefined;

    constructor() {
      const secret = {};
      const { url, generation, current: candidate } = rotation;
      super(clientConfig(url, { candidate, options, secret }));
      this.candidate = candidate;
      this.url = url;
      this.secret = secret;
      rememberGeneration(this, generation);
      // The application's statements are its own.
      if (options.limits) cutWithoutAnswer(this.connection, options.answerTimeoutMs);
      else markStatements(this.connection);
      watchServer(this);
      this.connection.once('backendKeyData', ({ processID }: { processID: number }) => {
        this.announcedPid = processID;
      });
      // A connection that breaks while it is idle must not end the process; the next use finds it broken.
      this.on('error', () => undefined);
    }

    override connect(): Promise<Client>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<Client> | void {
      if (!callback) return this.attempt();
      callbackify(() => this.attempt())(callback);
    }

    private async attempt(): Promise<Client> {
      const { url, candidate } = this;
      try {
        // Before connecting: a slow program would use up the deadline of the connection.
        this.secret.password = await passwordOf(url, candidate);
        await super.connect();
        await takeSession({ ...options, client: this, url, announcedPid: this.announcedPid, openSecond });
        await requireSameDatabase(this, url, openOther);
        await requireSessionAttributes(this, url.sessionAttributes);
        return this;
      } catch (error) {
        rotation.failed(candidate, error);
        this.connection.stream.destroy();
        throw rotation.explained(error);
      }
    }
  };
}

async function openThroughPooler(rotation: CandidateRotation, options: ConnectionOptions): Promise<Client> {
  const Other = candidateClient(rotation, { ...options, throughPooler: true });
  return await walkCandidates(rotation, () => new Other().connect());
}

/** Returns discrete fields, never `connectionString`: in node-postgres the string overrides all other fields. */
function clientConfig(
  url: DatabaseUrl,
  {
    candidate,
    options,
    secret,
  }: {
    candidate: ConnectionCandidate;
    options: ConnectionOptions;
    secret: { password?: string | undefined };
  },
): ClientConfig {
  const { password, passwordSource } = url;
  return {
    host: candidate.host,
    port: candidate.port,
    ssl: candidate.ssl,
    database: url.database,
    user: url.user,
    password: password === undefined && passwordSource ? () => secret.password ?? '' : password,
    options: url.options,
    application_name: options.applicationName,
    connectionTimeoutMillis: Math.min(url.connectTimeoutMs || Infinity, options.connectTimeoutMs),
    // The application's connections are cut instead, see above.
    ...(!options.limits && { query_timeout: options.answerTimeoutMs }),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_AFTER_MS,
  };
}

/** The server is not the kind that `target_session_attrs` asks for. */
export class UnsuitableServerError extends Error {
  override readonly name = 'UnsuitableServerError';
}

async function requireSessionAttributes(client: Client, wanted: SessionAttributes): Promise<void> {
  // "prefer-standby" accepts any server; which one is found first depends on the order of the hosts.
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

/** URLs that were found to lead to the same database; valid while the process runs. */
const verified = new WeakMap<SameDatabase, true>();

/**
 * Requires, once, that `DIRECT_URL` leads to the same database as `DATABASE_URL`: the same cluster, by its system
 * identifier, and the same database, by its oid.
 * @throws PgkeepError `DATABASE_MISMATCH` where it does not, `DATABASE_UNREACHABLE` or `DATABASE_PERMISSION_DENIED` where
 * that cannot be determined.
 */
async function requireSameDatabase(
  client: Client,
  url: DatabaseUrl,
  openOther: (url: DatabaseUrl) => Promise<Client>,
): Promise<void> {
  const { sameAs } = url;
  if (!sameAs || verified.has(sameAs)) return;
  const direct = { ...url, database: sameAs.database };
  const pooled = await identityOfOther(sameAs, openOther).catch((error: unknown) => {
    throw notKnown(direct, sameAs, error);
  });
  const own = await identityOf(client, sameAs.database).catch((error: unknown) => {
    throw notKnown(direct, sameAs, error);
  });
  if (own === undefined || own !== pooled) {
    throw new PgkeepError(
      'DATABASE_MISMATCH',
      `Refused to use DIRECT_URL (${describeDatabaseUrl(direct)}): it leads to a different database than ${sameAs.setting} (${describeDatabaseUrl(sameAs.url)}). Nothing was changed.`,
      { hint: `Set DIRECT_URL to the database of ${sameAs.setting}, past its pooler, or unset it.` },
    );
  }
  verified.set(sameAs, true);
}

async function identityOfOther(
  { url }: SameDatabase,
  openOther: (url: DatabaseUrl) => Promise<Client>,
): Promise<string | undefined> {
  const client = await openOther(url);
  try {
    return await identityOf(client);
  } finally {
    await closeClient(client);
  }
}

/** Reads the identity of the named database, or of the database of the connection. */
export async function identityOf(client: Client, database?: string): Promise<string | undefined> {
  const { rows } = await client.query<{ identity: string }>(
    `SELECT pg_catalog.concat_ws('/', s.system_identifier, d.oid) AS identity
       FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d
      WHERE d.datname = coalesce($1, pg_catalog.current_database())`,
    [database ?? null],
  );
  return rows[0]?.identity;
}

function notKnown(direct: DatabaseUrl, { url, setting }: SameDatabase, error: unknown): PgkeepError {
  const isDenied = errorCode(error) === SQLSTATE.insufficientPrivilege;
  const hint = isDenied
    ? 'Run GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO the role of each URL.'
    : `Make both reachable, or set ${setting} to the value of DIRECT_URL and unset DIRECT_URL.`;
  return new PgkeepError(
    isDenied ? 'DATABASE_PERMISSION_DENIED' : 'DATABASE_UNREACHABLE',
    `Cannot use DIRECT_URL (${describeDatabaseUrl(direct)}): whether it leads to the database of ${setting} (${describeDatabaseUrl(url)}) is not known: ${messageOf(error)}. Nothing was changed.`,
    { hint, cause: error },
  );
}
