import type { ArchiveFormat, BackupSettings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import { TABLES_WITHOUT_ROWS } from '../../postgres/catalogue/own-relations.js';
import type { DatabaseFacts } from './database-facts.js';
import { findTool, type PostgresTool } from '../postgres-tools.js';

/** The first version of pg_dump with compression methods other than gzip: zstd and lz4. */
const FIRST_WITH_METHODS = 16;

export interface DumpPlan {
  readonly snapshotId: string;
  readonly format: ArchiveFormat;
  /** For the custom format; a plain dump is compressed on its way into the storage. */
  readonly compression: string;
  /** A standby cannot read unlogged tables. */
  readonly fromStandby: boolean;
}

/** Returns the arguments of pg_dump, without secrets and without the name of the database. */
export function pgDumpArguments(tool: PostgresTool, plan: DumpPlan): string[] {
  return [
    `--format=${plan.format}`,
    `--compress=${compressOption(tool, plan.format === 'custom' ? plan.compression : 'none')}`,
    `--snapshot=${plan.snapshotId}`,
    // The snapshot's connection has locked every table already. If a session waits for one of these locks, pg_dump queues
    // behind it, and so does the application: none of them may wait for long.
    '--lock-wait-timeout=2s',
    '--no-password',
    ...TABLES_WITHOUT_ROWS.map((name) => `--exclude-table-data=${name}`),
    ...(plan.fromStandby ? ['--no-unlogged-table-data'] : []),
  ];
}

/** Returns the configured compression, or the fastest that the program has. @throws PgkeepError `CONFIG_INVALID`. */
export function chooseCompression(
  tool: PostgresTool,
  { format, compression: asked }: Pick<BackupSettings, 'format' | 'compression'>,
): string {
  if (format === 'plain') return asked ?? 'gzip:1';
  const knowsMethods = tool.major >= FIRST_WITH_METHODS;
  if (asked === undefined) return knowsMethods ? 'zstd:3' : 'gzip:1';
  if (knowsMethods || /^(none|gzip:\d)$/.test(asked)) return asked;
  throw new PgkeepError(
    'CONFIG_INVALID',
    `BACKUP_COMPRESSION is ${asked}, which pg_dump ${tool.version} does not support.`,
    {
      hint: `Use none or gzip:1 to gzip:9, or install pg_dump ${FIRST_WITH_METHODS} or newer.`,
    },
  );
}

/** Returns the compression level of a plain dump: the settings accept only gzip for it. */
export function gzipLevel(compression: string): number {
  return Number(compression.replace('gzip:', ''));
}

function compressOption(tool: PostgresTool, compression: string): string {
  if (tool.major >= FIRST_WITH_METHODS) return compression;
  return compression === 'none' ? '0' : compression.replace('gzip:', '');
}

/**
 * Returns the note of a backup that was made with a newer pg_dump than its server: pg_restore of that version begins with
 * settings that the server does not have, so a restore needs psql as well.
 */
export async function newerToolNotes(
  pgDump: PostgresTool,
  { serverVersion, serverMajor }: Pick<DatabaseFacts, 'serverVersion' | 'serverMajor'>,
  searchPath: string,
): Promise<string[]> {
  if (pgDump.major <= serverMajor) return [];
  const install = `apt-get install postgresql-client-${serverMajor}`;
  const made = `made with pg_dump ${pgDump.version} of PostgreSQL ${serverVersion}`;
  const psql = await findTool({ program: 'psql', atLeastMajor: serverMajor, searchPath }).catch(
    () => undefined,
  );
  if (!psql) {
    return [
      `${made}: this machine cannot restore it into PostgreSQL ${serverMajor}, because psql is not installed. Install the programs of the server’s version: ${install}.`,
    ];
  }
  return [
    `${made}: \`pgkeep restore\` restores it into PostgreSQL ${serverMajor}, pg_restore ${pgDump.major} alone may stop at a setting that PostgreSQL ${serverMajor} does not have. To avoid that, install the programs of the server’s version: ${install}.`,
  ];
}
