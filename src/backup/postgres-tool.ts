import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { programDirectories } from '../cluster/postgres-binaries.js';
import { PgkeepError } from '../core/errors.js';
import { run } from '../core/process/run.js';

/** One of PostgreSQL's client programs, of a known version. */
export interface PostgresTool {
  readonly file: string;
  /** `15.18` */
  readonly version: string;
  readonly major: number;
  /** `LD_LIBRARY_PATH` it needs, where it was unpacked rather than installed. */
  readonly libraryPath: string | undefined;
}

export interface ToolQuery {
  readonly program: 'pg_dump' | 'pg_dumpall' | 'pg_restore' | 'psql' | 'postgres';
  /** The server's, or the archive's. An older program refuses both. */
  readonly atLeastMajor: number;
  /** The newest one there is does as well, where none is new enough. */
  readonly orNewest?: boolean;
  readonly searchPath: string;
}

/**
 * Finds a program of PostgreSQL: the one of the asked major version, or else the nearest newer one. Not the
 * newest: what pg_dump 17 makes of a server 15 is restored by pgkeep, but not by PostgreSQL's own programs.
 * @throws PgkeepError `BACKUP_TOOLS_MISSING` naming the package to install.
 */
export async function findTool({
  program,
  atLeastMajor,
  orNewest = false,
  searchPath,
}: ToolQuery): Promise<PostgresTool> {
  const tools = await installedTools(program, searchPath);
  const suitable = tools.filter(({ major }) => major >= atLeastMajor).toSorted(byVersion);
  const best = suitable[0] ?? (orNewest ? tools.toSorted(newestFirst)[0] : undefined);
  if (best) return best;
  const found = tools.map(({ version, file }) => `${version} (${file})`).join(', ') || 'none';
  throw new PgkeepError(
    'BACKUP_TOOLS_MISSING',
    `No ${program} of PostgreSQL ${atLeastMajor} or newer on this machine; found: ${found}.`,
    { hint: `Install it: apt-get install postgresql-client-${atLeastMajor}.` },
  );
}

/** The nearest major version first, its newest release first. */
function byVersion(left: PostgresTool, right: PostgresTool): number {
  return left.major - right.major || minorOf(right) - minorOf(left);
}

function newestFirst(left: PostgresTool, right: PostgresTool): number {
  return right.major - left.major || byVersion(left, right);
}

function minorOf({ version }: PostgresTool): number {
  return Number(version.split('.')[1] ?? 0);
}

async function installedTools(program: string, searchPath: string): Promise<PostgresTool[]> {
  const candidates = new Map<string, string | undefined>();
  for (const { bin, libraryPath } of programDirectories(searchPath)) {
    const file = path.join(bin, program);
    if (existsSync(file) && !candidates.has(realpathSync(file)))
      candidates.set(realpathSync(file), libraryPath);
  }
  const asked = [...candidates].map(([file, libraryPath]) => askVersion(program, file, libraryPath));
  return (await Promise.all(asked)).flat();
}

/** None where the program cannot be run: the next candidate may. */
async function askVersion(
  program: string,
  file: string,
  libraryPath: string | undefined,
): Promise<PostgresTool[]> {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: libraryPath };
  const answer = await run(file, ['--version'], { env }).catch(() => undefined);
  const version = new RegExp(`^${program} \\(PostgreSQL\\) (\\d+(?:\\.\\d+)?)`).exec(
    answer?.stdout ?? '',
  )?.[1];
  return version ? [{ file, version, major: Number.parseInt(version, 10), libraryPath }] : [];
}
