import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { parseDatabaseUrl } from '../../config/database-url.js';
import type { PrismaProject } from '../../config/prisma-project.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { errorCode, interrupted, messageOf, PgkeepError } from '../../core/errors.js';
import { DOWN_FILE } from '../history/migration-directory.js';
import { migrationsIn } from '../lint/find-files.js';
import type { DownScript } from './down-script.js';

/** The result of writing a `down.sql`. */
export interface DownReport extends Omit<DownScript, 'text'> {
  readonly migration: string;
  /** The migration's script, relative to the working directory. */
  readonly script: string;
  /** The file that was written, relative to the working directory; null where the migration holds no statement yet. */
  readonly down: string | null;
}

/** How a `down.sql` is written. */
export interface DownOptions {
  /** URL of a database to replay the migrations in; it is emptied. By default one is created, and dropped. */
  readonly shadowUrl?: string | undefined;
  readonly signal?: AbortSignal;
}

/** Writes scripts that undo migrations, from the difference that each migration makes to the schema. */
@Injectable()
export class DownScriptService {
  constructor(@Inject(SETTINGS) private readonly settings: Settings) {}

  /** Returns the names of the existing migrations. @throws PgkeepError `MIGRATIONS_UNREADABLE`. */
  async migrations(): Promise<string[]> {
    const found = await migrationsIn(this.settings.migrationsDirectory);
    return found.map(({ migration = '' }) => migration);
  }

  /**
   * Writes `down.sql` beside a migration's script, unless it exists. Replays the migrations up to this one in shadow
   * databases on the application's server: for development.
   * @throws PgkeepError `USAGE_INVALID` where there is no such migration, `DOWN_SCRIPT_REFUSED` where the file exists,
   *   `DOWN_SCRIPT_FAILED` where a file cannot be read or written, or Prisma's engine fails.
   */
  async write(migration: string, { shadowUrl, signal }: DownOptions = {}): Promise<DownReport> {
    const { migrationsDirectory, database, prisma } = this.settings;
    if (prisma.kind === 'invalid') throw invalidProject(prisma, migration);
    const script = path.join(migrationsDirectory, migration, 'migration.sql');
    const down = path.join(migrationsDirectory, migration, DOWN_FILE);
    await this.requireMigration(migration, script);
    if (existsSync(down)) throw alreadyThere(down);
    const [{ parseFiles }, { reverseDiff }, { downBody, downScript }] = await Promise.all([
      import('../sql/parse-files.js'),
      import('../schema-engine.js'),
      import('./down-script.js'),
    ]);
    const parse = async (content: string) => await parseFiles([{ path: script, content, migration }]);
    const [up] = await parse(await readText(script));
    if (!up || (up.statements.length === 0 && up.obstacles.length === 0)) {
      const nothing = { statements: 0, loses: [], lostBefore: [], failing: [], notReversed: [] };
      return { migration, script: relative(script), down: null, ...nothing };
    }
    const sql = await reverseDiff({
      database: database.url,
      shadow: shadowUrl === undefined ? undefined : parseDatabaseUrl(shadowUrl),
      directory: migrationsDirectory,
      prisma,
      migration,
      signal: signal ?? new AbortController().signal,
    }).catch((error: unknown) => {
      throw notCompared(error, migration, signal);
    });
    const [reverse = up] = await parse(sql);
    const { schema } = database.url;
    const body = downBody(up, reverse, schema);
    const [parsed = reverse] = await parse(body.sql);
    const { text, ...report } = downScript(migration, up, { down: parsed, left: body.left }, schema);
    await write(down, text);
    return { migration, script: relative(script), down: relative(down), ...report };
  }

  private async requireMigration(migration: string, script: string): Promise<void> {
    const names = await this.migrations();
    if (names.includes(migration) && existsSync(script)) return;
    const like = names.filter((name) => name.includes(migration));
    throw new PgkeepError(
      'USAGE_INVALID',
      `There is no migration ${migration} in ${relative(path.dirname(path.dirname(script)))}.`,
      {
        hint:
          like.length > 0
            ? `Did you mean ${like.slice(0, 3).join(' or ')}?`
            : 'Use the name of its directory: `pgkeep migrate status` lists them.',
      },
    );
  }
}

function relative(file: string): string {
  return path.relative(process.cwd(), file);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new PgkeepError('DOWN_SCRIPT_FAILED', `Cannot read ${relative(file)}: ${messageOf(cause)}.`, {
      cause,
    });
  }
}

/** Never overwrites a file: it may have been written by hand in the meantime. */
async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (cause) {
    if (errorCode(cause) === 'EEXIST') throw alreadyThere(file);
    throw new PgkeepError('DOWN_SCRIPT_FAILED', `Cannot write ${relative(file)}: ${messageOf(cause)}.`, {
      cause,
    });
  }
}

function alreadyThere(file: string): PgkeepError {
  return new PgkeepError(
    'DOWN_SCRIPT_REFUSED',
    `Refused to write ${relative(file)}: it exists and may have been edited. Nothing was changed.`,
    { hint: 'To write it again, delete it first.' },
  );
}

/** Without the configuration's externals and `initShadowDb`, the comparison would be wrong. */
function invalidProject({ why, hint }: Extract<PrismaProject, { kind: 'invalid' }>, migration: string) {
  return new PgkeepError('DOWN_SCRIPT_FAILED', `No down.sql was written for ${migration}: ${why}.`, { hint });
}

function notCompared(error: unknown, migration: string, signal: AbortSignal | undefined): PgkeepError {
  if (signal?.aborted) return interrupted('no down.sql was written');
  const again = `then: \`pgkeep migrate create --down-for ${migration}\``;
  // A refused pooler or another database: not about the history.
  if (error instanceof PgkeepError && error.kind === 'refused') return error;
  return new PgkeepError(
    'DOWN_SCRIPT_FAILED',
    `No down.sql was written for ${migration}: its history cannot be replayed: ${messageOf(error)}`,
    { hint: `Fix the cause, ${again}. Or write the file by hand.`, cause: error },
  );
}
