import { type Client, escapeIdentifier } from 'pg';
import type { Manifest } from '../../backup/backup.types.js';
import { beginSnapshot, whileConnected } from '../../backup/create/snapshot.js';
import { listTables, readContents } from '../../backup/create/table-contents.js';
import { majorOf } from '../../backup/postgres-tools.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { withConnection } from '../../postgres/connect.js';
import { queryOne } from '../../postgres/read.js';
import type { LedgerEntry } from '../../privacy/ledger/ledger-entry.js';
import { removeErased } from '../../privacy/replay/remove-erased.js';
import { isPooled } from '../../postgres/session.js';
import { Archive } from '../archive/archive.js';
import { readSettingNames } from '../archive/dump-filters.js';
import { databaseOptions } from '../server/database-properties.js';
import { restoreConnection } from './restore-target.js';
import type { RestoreContext, TablesRestoration } from './restore.types.js';

/** A table to restore, with the parts of its name that pg_restore takes. */
interface ChosenTable {
  /** Its name in the manifest, quoted where SQL needs it. */
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly rows: number;
  readonly contentHash: string;
}

/** Splits the name of a table in the manifest. */
const PARTS = /^("(?:[^"]|"")+"|[^".]+)\.("(?:[^"]|"")+"|[^".]+)$/;

/**
 * Restores the rows of some tables into an additional database, with the definitions of everything. The database in use
 * is not changed: a person decides which rows to copy back. Rows that were erased since the backup are left out.
 * @param erased what was erased since the backup
 * @throws PgkeepError `RESTORE_REFUSED`, `RESTORE_FAILED`, `USAGE_INVALID`.
 */
export async function restoreTables(
  context: Pick<
    RestoreContext,
    'settings' | 'clock' | 'source' | 'target' | 'maintenanceUrl' | 'progress' | 'signal'
  >,
  maintenance: Client,
  {
    tables: asked,
    into,
    erased,
  }: { tables: readonly string[]; into: string; erased: readonly LedgerEntry[] },
): Promise<TablesRestoration> {
  const { source, settings, signal, progress, target, clock } = context;
  const { manifest } = source;
  if (!manifest) {
    throw new PgkeepError(
      'USAGE_INVALID',
      `Cannot restore single tables of ${source.name}: it has no manifest that lists them.`,
      {
        hint: 'Restore the complete dump into a new database: createdb, then pg_restore or psql.',
      },
    );
  }
  const chosen = chooseTables(manifest, asked);
  const startedAt = clock.now();
  return await source.withFile(signal, async (file) => {
    const archive = await Archive.open(file, {
      atLeastMajor: majorOf(manifest.toolVersions.pgDump),
      searchPath: settings.searchPath,
      signal,
    });
    if (archive.format === 'plain') {
      throw new PgkeepError(
        'USAGE_INVALID',
        `Cannot restore single tables of ${source.name}: it is a plain dump.`,
        {
          hint: 'Restore the complete dump into a new database: createdb, then gunzip and psql.',
        },
      );
    }
    await createInto(maintenance, into, databaseOptions(await archive.needs(), manifest));
    try {
      const url = { ...settings.database.url, database: into };
      const { host, port, user } = maintenance;
      const place = {
        url,
        server: { host, port, user, isPooled: isPooled(maintenance) },
        serverVersion: target.serverVersion,
        serverSettings: await readSettingNames(maintenance),
        withOwners: false,
      };
      const restore = (selection: readonly string[]): Promise<void> =>
        archive.restore({ ...place, selection });
      progress(`restoring the definitions into "${into}"`);
      await restore(['--section=pre-data']);
      for (const { name, schema, table } of chosen) {
        progress(`restoring the rows of ${name}`);
        await restore(['--section=data', `--schema=${schema}`, `--table=${table}`]);
      }
      const connected = <T>(work: (client: Client) => Promise<T>): Promise<T> =>
        withConnection(url, restoreConnection(settings), (client) =>
          whileConnected(client, signal, () => work(client)),
        );
      const copies = await connected((client) => check(client, chosen, { into, target: target.database }));
      const names = new Set(chosen.map(({ name }) => name));
      const removed = await connected((client) => removeErased(client, erased, names));
      return {
        source: source.name,
        database: into,
        tables: chosen.map(({ name, rows }) => ({ name, rows })),
        erased: removed,
        copies,
        durationMs: clock.now().getTime() - startedAt.getTime(),
      };
    } catch (error) {
      await maintenance.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(into)} WITH (FORCE)`);
      throw error;
    }
  });
}

function chooseTables({ name: backup, tables }: Manifest, asked: readonly string[]): ChosenTable[] {
  return asked.map((typed) => {
    const found = tables.filter(({ name }) => name === typed || PARTS.exec(name)?.[2] === typed);
    const [only] = found;
    const [, schema = '', table = ''] = PARTS.exec(only?.name ?? '') ?? [];
    if (only && found.length === 1) return { ...only, schema: bare(schema), table: bare(table) };
    const why = found.length === 0 ? 'has no table' : 'has more than one table';
    throw new PgkeepError('USAGE_INVALID', `${backup} ${why} ${typed}.`, {
      hint: `Its tables: ${tables.map(({ name }) => name).join(', ')}. For a partitioned table, name its partitions.`,
    });
  });
}

function bare(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

async function createInto(client: Client, into: string, options: string): Promise<void> {
  try {
    await client.query(`CREATE DATABASE ${escapeIdentifier(into)} WITH ${options}`);
  } catch (error) {
    if (errorCode(error) !== '42P04') throw error;
    throw new PgkeepError(
      'RESTORE_REFUSED',
      `Refused to restore into database "${into}": it already exists. Nothing was changed.`,
      { hint: 'Give --into the name of a database that does not exist.' },
    );
  }
}

/** Compares the rows. @returns the command that copies each table's rows back. @throws PgkeepError `RESTORE_FAILED`. */
async function check(
  client: Client,
  chosen: readonly ChosenTable[],
  names: { into: string; target: string },
): Promise<string[]> {
  const snapshot = await beginSnapshot(client);
  try {
    const wanted = new Map(chosen.map((table) => [table.name, table]));
    const plans = (await listTables(client, { unlogged: true })).filter(({ name }) => wanted.has(name));
    const faults = (await readContents(client, plans)).filter(
      ({ name, contentHash }) => wanted.get(name)?.contentHash !== contentHash,
    );
    if (faults.length > 0 || plans.length !== wanted.size) {
      throw new PgkeepError(
        'RESTORE_FAILED',
        `Did not restore: the rows of ${faults.map(({ name }) => name).join(', ') || 'a table'} differ from the backup.`,
        { hint: 'Restore another backup: `pgkeep backup list` shows which ones passed a restore test.' },
      );
    }
    return await Promise.all(plans.map(({ name }) => copyCommand(client, name, names)));
  } finally {
    snapshot.release();
  }
}

/** Returns the command that copies a table's rows, without generated columns, which cannot be written. */
async function copyCommand(
  client: Client,
  name: string,
  { into, target }: { into: string; target: string },
): Promise<string> {
  const { columns } = await queryOne<{ columns: string | null }>(
    client,
    `SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), ', ' ORDER BY attnum) AS columns
       FROM pg_catalog.pg_attribute
      WHERE attrelid = $1::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
    [name],
  );
  const source = `${name} (${columns ?? ''})`;
  return `psql -d ${shell(into)} -c ${shell(`\\copy ${source} TO STDOUT`)} | psql -d ${shell(target)} -c ${shell(`\\copy ${source} FROM STDIN`)}`;
}

function shell(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
