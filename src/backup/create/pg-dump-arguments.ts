import type { ArchiveFormat, BackupSettings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import type { DatabaseFacts } from './database-facts.js';
import { findTool, type PostgresTool } from '../postgres-tools.js';

/** From this version on pg_dump names its compression's method, and knows zstd and lz4. */
const FIRST_WITH_METHODS = 16;

export interface DumpPlan {
  readonly snapshotId: string;
  readonly format: ArchiveFormat;
  /** Of the custom format; a plain dump is compressed on its way into the storage. */
  readonly compression: string;
  /** A standby cannot read unlogged tables. */
  readonly fromStandby: boolean;
}

/** The arguments of pg_dump: nothing that is secret, nothing that names the database. */
export function pgDumpArguments(tool: PostgresTool, plan: DumpPlan): string[] {
  return [
    `--format=${plan.format}`,
    `--compress=${compressOption(tool, plan.format === 'custom' ? plan.compression : 'none')}`,
    `--snapshot=${plan.snapshotId}`,
    // The snapshot's connection holds every table already. Whoever came between the two waits for that one, and
    // pg_dump behind it: neither the backup nor the application, which queues there as well, may hang for long.
    '--lock-wait-timeout=2s',
    '--no-password',
    ...(plan.fromStandby ? ['--no-unlogged-table-data'] : []),
  ];
}

/** What was asked for, or the fastest that the program has. @throws PgkeepError `CONFIG_INVALID`. */
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
    `BACKUP_COMPRESSION is ${asked}, which pg_dump ${tool.version} has not.`,
    {
      hint: `Use none or gzip:1 to gzip:9, or install pg_dump ${FIRST_WITH_METHODS} or newer.`,
    },
  );
}

/** The level of a plain dump's compression: the settings let only gzip pass. */
export function gzipLevel(compression: string): number {
  return Number(compression.replace('gzip:', ''));
}

function compressOption(tool: PostgresTool, compression: string): string {
  if (tool.major >= FIRST_WITH_METHODS) return compression;
  return compression === 'none' ? '0' : compression.replace('gzip:', '');
}

/**
 * What a backup says that was made with a newer pg_dump than its server: PostgreSQL's own pg_restore of that version
 * begins with settings that the server does not have, and psql has to come between.
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
      `${made}: this machine cannot restore it into PostgreSQL ${serverMajor}, because it has no psql. Install the programs of the server’s version: ${install}.`,
    ];
  }
  return [
    `${made}: \`pgkeep restore\` restores it into PostgreSQL ${serverMajor}, pg_restore ${pgDump.major} alone may stop at a setting that PostgreSQL ${serverMajor} does not have. To avoid that, install the programs of the server’s version: ${install}.`,
  ];
}
