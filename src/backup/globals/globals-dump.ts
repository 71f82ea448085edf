import { queryOne } from '../../postgres/read.js';
import type { Client } from 'pg';
import type { Recording } from '../../audit-log/audit-log.types.js';
import { PgkeepError } from '../../core/errors.js';
import { withConnection } from '../../postgres/connect.js';
import { reachedServer } from '../../postgres/session.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { GlobalsReport } from '../backup.types.js';
import { backupName, globalsKey } from '../catalog/backup-name.js';
import type { RunContext } from '../create/backup-run.js';
import { readDatabaseFacts } from '../create/database-facts.js';
import { dumpInto, type StoredDump } from '../create/dump.js';
import { wholeSql } from '../create/plain-dump.js';
import { requireEnvironment } from '../create/preflight.js';
import { whileConnected } from '../create/snapshot.js';
import { Sealer } from '../encryption/encrypt.js';
import { findTool, libpqEnvironment } from '../postgres-tools.js';
import { readBack } from '../verify/verify-bytes.js';

/** Dumps roles, memberships and tablespaces beside the backups, and reads the stored bytes back. */
export async function dumpGlobals(
  context: Omit<RunContext, 'reason' | 'beforePublish'>,
): Promise<Omit<GlobalsReport, keyof Recording>> {
  const { settings, signal } = context;
  const { url, connectTimeoutMs } = settings.database;
  const options = { connectTimeoutMs, answerTimeoutMs: 0, applicationName: 'pgkeep backup' };
  return await withConnection(url, options, (client) =>
    whileConnected(client, signal, () => dumpFrom(client, context)),
  );
}

async function dumpFrom(
  client: Client,
  { settings, storage, clock, timeouts, signal }: Omit<RunContext, 'reason' | 'beforePublish'>,
): Promise<Omit<GlobalsReport, keyof Recording>> {
  await requireEnvironment(client, settings.environment, timeouts);
  const { database, serverMajor: atLeastMajor } = await readDatabaseFacts(client);
  const { roles, tablespaces, passwords } = await readGlobals(client);
  const { searchPath } = settings;
  const pgDumpAll = await findTool({ program: 'pg_dumpall', atLeastMajor, searchPath });
  const sealer = new Sealer(settings.backup.encryption);
  const key = globalsKey(backupName(database, settings.environment, clock.now()), sealer.isOn);
  const command = {
    program: 'pg_dumpall',
    file: pgDumpAll.file,
    argv: pgDumpAllArguments(database, passwords),
    env: await libpqEnvironment(settings.database.url, reachedServer(client), pgDumpAll),
  } as const;
  const writer = {
    through: (sql: AsyncIterable<Buffer>) => sealer.through(wholeSql(sql, 'database cluster')),
    finish: () => sealer.finish(),
  };
  const { stored } = await dumpInto(storage, key, command, { writer, signal });
  try {
    await requireAsDumped(storage, key, stored, signal);
  } catch (error) {
    await storage.delete(key);
    throw error;
  }
  const file = `${storage.location}/${key}`;
  const { bytes, sha256 } = stored;
  return { file, bytes, sha256, roles, tablespaces, passwords, encrypted: sealer.isOn };
}

async function requireAsDumped(
  storage: BackupStorage,
  key: string,
  { sha256 }: StoredDump,
  signal: AbortSignal,
): Promise<void> {
  const found = await readBack(storage, key, undefined, { signal });
  if (found.sha256 === sha256) return;
  throw new PgkeepError(
    'BACKUP_FAILED',
    `${key} was read back from ${storage.location} and is not what was dumped: sha256 ${found.sha256} is stored, ${sha256} was dumped.`,
    { hint: 'Check the disk or the network between; then run it again.' },
  );
}

/** The arguments of pg_dumpall. It reads a bare name as a connection string where it has an = in it. */
export function pgDumpAllArguments(database: string, passwords: boolean): string[] {
  const quoted = database.replaceAll(/['\\]/g, String.raw`\$&`);
  return [
    '--globals-only',
    `--database=dbname='${quoted}'`,
    '--no-password',
    ...(passwords ? [] : ['--no-role-passwords']),
  ];
}

/** Only who may read `pg_authid` (superusers, and who has pg_read_all_data) sees password hashes. */
async function readGlobals(
  client: Client,
): Promise<Pick<GlobalsReport, 'roles' | 'tablespaces' | 'passwords'>> {
  return await queryOne<Pick<GlobalsReport, 'roles' | 'tablespaces' | 'passwords'>>(
    client,
    `
    SELECT (SELECT pg_catalog.count(*)::int FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_') AS roles,
           (SELECT pg_catalog.count(*)::int FROM pg_catalog.pg_tablespace WHERE spcname !~ '^pg_') AS tablespaces,
           pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS passwords`,
  );
}
