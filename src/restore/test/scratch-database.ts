import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { majorOf } from '../../backup/postgres-tools.js';
import { PgkeepError } from '../../core/errors.js';
import { type DatabaseIdentity, sameDatabase } from '../../environment/environment.types.js';
import { readIdentity, readStamp } from '../../environment/stamp.js';
import { withConnection } from '../../postgres/connect.js';
import { queryOne, type ReadTimeouts } from '../../postgres/read.js';
import { isPooled } from '../../postgres/session.js';
import { rolesOf } from '../archive/archive-needs.js';
import { readSettingNames } from '../archive/dump-filters.js';
import { freeSpaceOfServer, requireSpace } from '../server/free-space.js';
import { compactTime, MarkedDatabases } from '../server/marked-databases.js';
import { requireSuperuserFor } from '../server/requirements.js';
import { claimGivenDatabase, clearGivenDatabase, emptyGivenDatabase } from './given-database.js';
import type { Scratch, ScratchPlan, ScratchServer } from './restore-test.types.js';

/** How long dropping a scratch database may take after the test. */
const DROP_TIMEOUT_MS = 60_000;

/** How a scratch database is created. */
export interface ScratchOptions {
  readonly plan: ScratchPlan;
  /** Databases that must not be restored into: the guarded one, and the one in the manifest. */
  readonly guarded: readonly DatabaseIdentity[];
  readonly connectTimeoutMs: number;
  readonly timeouts: ReadTimeouts;
  /** No restore test takes longer: an older database is the leftover of a killed one. */
  readonly longestMs: number;
  readonly now: Date;
}

/** The server and the abilities of the role on it. */
interface Host {
  readonly version: string;
  readonly database: string;
  readonly role: string;
  readonly isSuperuser: boolean;
  readonly mayCreate: boolean;
  readonly encoding: string;
}

/**
 * Runs `use` with a database to restore into, which is always dropped, or emptied, afterwards.
 * @throws PgkeepError `RESTORE_REFUSED`; what connecting, creating or `use` throws.
 */
export async function withScratch<T>(
  server: ScratchServer,
  options: ScratchOptions,
  use: (scratch: Scratch) => Promise<T>,
): Promise<T> {
  const { plan, guarded, now, longestMs, timeouts } = options;
  const connection = {
    connectTimeoutMs: options.connectTimeoutMs,
    answerTimeoutMs: 0,
    applicationName: 'pgkeep restore test',
  };
  return await withConnection(server.url, connection, async (client) => {
    const identity = await readIdentity(client, timeouts);
    requireAnother(identity, guarded);
    const host = await readHost(client);
    requireSameMajor(host, plan);
    // The space for a temporary server was checked before it was started.
    if (!server.isThrowAway) {
      requireSpace(await freeSpaceOfServer(client), {
        bytes: plan.bytesNeeded,
        code: 'SCRATCH_UNAVAILABLE',
        operation: 'Cannot test a restore',
      });
    }
    await requireSuperuserFor(client, { source: plan, needs: plan.needs });
    const roles = await settleRoles(client, host, server, rolesOf(plan.needs));
    const common = {
      server: { host: client.host, port: client.port, user: client.user, isPooled: isPooled(client) },
      serverVersion: host.version,
      serverSettings: await readSettingNames(client),
      ...roles,
    };
    if (!host.mayCreate) {
      requireSameEncoding(host, plan);
      const stamp = await readStamp(client, timeouts);
      await claimGivenDatabase(client, { ...host, stamp, identity });
      try {
        const renew = (): Promise<void> => emptyGivenDatabase(client);
        return await use({ kind: 'given database', url: server.url, renew, ...common });
      } finally {
        await clearGivenDatabase(client);
      }
    }
    const scratches = scratchDatabases(client, longestMs);
    await scratches.dropLeftovers(now);
    const name = `pgkeep_test_${compactTime(now)}_${randomBytes(4).toString('hex')}`;
    await scratches.create(name, plan.databaseOptions, now);
    try {
      const kind = server.isThrowAway ? 'throw-away cluster' : 'fresh database';
      const renew = async (): Promise<void> => {
        await scratches.drop(name);
        await scratches.create(name, plan.databaseOptions, now);
      };
      return await use({ kind, url: { ...server.url, database: name }, renew, ...common });
    } finally {
      await withConnection(server.url, { ...connection, answerTimeoutMs: DROP_TIMEOUT_MS }, (again) =>
        scratchDatabases(again, longestMs).drop(name),
      );
    }
  });
}

function scratchDatabases(client: Client, longestMs: number): MarkedDatabases {
  const name = /^pgkeep_test_\d{14}_[0-9a-f]{8}$/;
  return new MarkedDatabases(client, { madeBy: 'pgkeep restore test', name, longestMs });
}

async function readHost(client: Client): Promise<Host> {
  return await queryOne<Host>(
    client,
    `
    SELECT pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS version,
           d.datname::text AS database, current_user::text AS role, r.rolsuper AS "isSuperuser",
           r.rolsuper OR r.rolcreatedb AS "mayCreate",
           pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding
      FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
     WHERE d.datname = pg_catalog.current_database() AND r.rolname = current_user`,
  );
}

function requireSameMajor({ version }: Host, { manifest }: ScratchPlan): void {
  const dumpedServer = manifest.serverVersion;
  if (majorOf(version) === majorOf(dumpedServer)) return;
  throw new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to test a restore on PostgreSQL ${version}: the backup is of PostgreSQL ${dumpedServer}, and a test needs the same major version. Nothing was changed.`,
    { hint: `Point TEST_DATABASE_URL at a PostgreSQL ${majorOf(dumpedServer)} server.` },
  );
}

function requireSameEncoding({ encoding, database }: Host, plan: ScratchPlan): void {
  const wanted = plan.manifest.encoding;
  if (encoding === wanted) return;
  throw new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to test a restore in database "${database}" of TEST_DATABASE_URL: its encoding is ${encoding}, and the backup's is ${wanted}. Nothing was changed.`,
    {
      hint: `Create it again with that encoding: CREATE DATABASE … TEMPLATE template0 ENCODING '${wanted}'.`,
    },
  );
}

/** Creates missing roles on a temporary server; on any other server, owners and grants are left out without them. */
async function settleRoles(
  client: Client,
  { role, isSuperuser }: Host,
  { isThrowAway }: ScratchServer,
  roles: readonly string[],
): Promise<Pick<Scratch, 'withOwners' | 'notes'>> {
  const { rows } = await client.query<{ name: string; create: string }>(
    `SELECT wanted.name, pg_catalog.format('CREATE ROLE %I', wanted.name) AS create
       FROM pg_catalog.unnest($1::text[]) wanted (name)
      WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = wanted.name)`,
    [roles],
  );
  if (isThrowAway) {
    for (const { create } of rows) await client.query(create);
    return { withOwners: true, notes: [] };
  }
  if (rows.length > 0) {
    const names = rows.map(({ name }) => `"${name}"`).join(', ');
    return {
      withOwners: false,
      notes: [`owners and grants were not restored: the server does not have role ${names}`],
    };
  }
  if (isSuperuser) return { withOwners: true, notes: [] };
  const note = `owners and grants were not restored: role "${role}" is not a superuser on that server`;
  return { withOwners: false, notes: [note] };
}

/**
 * Requires another database than the guarded one, which is identified by its system identifier and oid, whatever host
 * name or pooler leads to it.
 * @throws PgkeepError `RESTORE_REFUSED`.
 */
function requireAnother(identity: DatabaseIdentity | undefined, guarded: readonly DatabaseIdentity[]): void {
  if (identity === undefined) {
    throw new PgkeepError(
      'RESTORE_REFUSED',
      'Refused to test a restore: the role of TEST_DATABASE_URL cannot read the server’s system identifier, so that it could be the guarded database. Nothing was changed.',
      {
        hint: 'Grant it as a superuser: GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO PUBLIC;',
      },
    );
  }
  if (!guarded.some((database) => sameDatabase(database, identity))) return;
  throw new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to test a restore: TEST_DATABASE_URL leads to the guarded database (system ${identity.systemIdentifier}, oid ${identity.databaseOid}). Nothing was changed.`,
    { hint: 'Point TEST_DATABASE_URL at another server, or unset it.' },
  );
}
