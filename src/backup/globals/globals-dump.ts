import type { Client } from 'pg';
import type { Recording } from '../../audit-log/audit-log.types.js';
import { PgkeepError } from '../../core/errors.js';
import { withConnection } from '../../postgres/connect.js';
import { queryOne } from '../../postgres/read.js';
import { reachedServer } from '../../postgres/session.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { GlobalsReport } from '../backup.types.js';
import { backupName, globalsKey } from '../catalog/backup-name.js';
import type { RunContext } from '../create/backup-run.js';
import { readDatabaseFacts } from '../create/database-facts.js';
import { dumpInto, type StoredDump } from '../create/dump.js';
import { completeSql } from '../create/plain-dump.js';
import { requireEnvironment } from '../create/preflight.js';
import { whileConnected } from '../create/snapshot.js';
import { ArchiveEncryptor } from '../encryption/age.js';
import { findTool, libpqEnvironment } from '../postgres-tools.js';
import { readStoredArchive } from '../verify/verify-contents.js';

/** Dumps roles, memberships and tablespaces into the backup directory, and verifies the stored bytes. */
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
  const encryptor = new ArchiveEncryptor(settings.backup.encryption);
  const key = globalsKey(backupName(database, settings.environment, clock.now()), encryptor.isOn);
  const command = {
    program: 'pg_dumpall',
    file: pgDumpAll.file,
    argv: pgDumpAllArguments(database, passwords),
    env: await libpqEnvironment(settings.database.url, reachedServer(client), pgDumpAll),
  } as const;
  const writer = {
    through: (sql: AsyncIterable<Buffer>) => encryptor.through(completeSql(sql, 'database cluster')),
    finish: () => encryptor.finish(),
  };
  const { stored } = await dumpInto(storage, key, command, { writer, signal });
  try {
    await requireIntact(storage, key, stored, signal);
  } catch (error) {
    await storage.delete(key);
    throw error;
  }
  const file = `${storage.location}/${key}`;
  const { bytes, sha256 } = stored;
  return { file, bytes, sha256, roles, tablespaces, passwords, encrypted: encryptor.isOn };
}

async function requireIntact(
  storage: BackupStorage,
  key: string,
  { sha256 }: StoredDump,
  signal: AbortSignal,
): Promise<void> {
  const found = await readStoredArchive(storage, key, undefined, { signal });
  if (found.sha256 === sha256) return;
  throw new PgkeepError(
    'BACKUP_FAILED',
    `${key} in ${storage.location} failed verification: sha256 ${found.sha256} is stored, ${sha256} was dumped.`,
    { hint: 'Check the disk or the network, then run the command again.' },
  );
}

/** Returns the arguments of pg_dumpall, which takes a plain name with an = in it for a connection string. */
function pgDumpAllArguments(database: string, passwords: boolean): string[] {
  const quoted = database.replaceAll(/['\\]/g, String.raw`\$&`);
  return [
    '--globals-only',
    `--database=dbname='${quoted}'`,
    '--no-password',
    ...(passwords ? [] : ['--no-role-passwords']),
  ];
}

/** Counts the globals. Only superusers and members of pg_read_all_data may read the password hashes, in `pg_authid`. */
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
