import type { Client } from 'pg';
import { describeDatabaseUrl, type DatabaseUrl, type SameDatabase } from '../config/database-url.js';
import { errorCode, PgkeepError, messageOf } from '../core/errors.js';
import { closeClient } from './deadline.js';
import { SQLSTATE } from './sqlstates.js';

/** URLs that were found to lead to the same database; valid while the process runs. */
const verified = new WeakMap<SameDatabase, true>();

/**
 * Requires, once, that `DIRECT_URL` leads to the same database as `DATABASE_URL`: the same cluster, by its system
 * identifier, and the same database, by its oid.
 * @throws PgkeepError `DATABASE_MISMATCH` where it does not, `DATABASE_UNREACHABLE` or `DATABASE_PERMISSION_DENIED` where
 * that cannot be determined.
 */
export async function requireSameDatabase(
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
async function identityOf(client: Client, database?: string): Promise<string | undefined> {
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
