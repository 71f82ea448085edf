import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { libpqEnvironment, toolEnvironment, type ReachedServer } from '../backup/libpq-environment.js';
import { findTool, type PostgresTool } from '../backup/postgres-tool.js';
import type { DatabaseUrl } from '../config/database-url.js';
import { KeepError } from '../errors.js';
import { requireSuccess, startProgram } from '../process/program.js';
import { readNeeds, type ArchiveNeeds } from './archive-contents.js';
import { inOneTransaction } from './whole-plain-dump.js';

/** How many tables and indexes are restored at a time. */
const JOBS = 2;

/** Where an archive is restored into, and what of it is left out. */
export interface RestoreTarget {
  readonly url: DatabaseUrl;
  readonly server: ReachedServer;
  /** False: everything belongs to the role that restores, and nothing is granted. */
  readonly withOwners: boolean;
  /** Options of pg_restore that choose a part of the archive. Defaults to all of it. */
  readonly selection?: readonly string[];
}

/** An archive on this machine, and the program of PostgreSQL that restores it. */
export class Archive {
  private constructor(
    readonly file: string,
    /** Told by the first bytes: a file from elsewhere may be called anything. */
    readonly format: 'custom' | 'plain',
    /** pg_restore, or psql for a plain one. */
    readonly tool: PostgresTool,
    private readonly signal: AbortSignal,
  ) {}

  /** @throws KeepError `BACKUP_TOOLS_MISSING`. */
  static async open(
    file: string,
    options: { atLeastMajor: number; searchPath: string; signal: AbortSignal },
  ): Promise<Archive> {
    const { signal, ...wanted } = options;
    const format = await formatOf(file);
    const tool = await findTool({ program: format === 'custom' ? 'pg_restore' : 'psql', ...wanted });
    return new Archive(file, format, tool, signal);
  }

  get program(): 'pg_restore' | 'psql' {
    return this.format === 'custom' ? 'pg_restore' : 'psql';
  }

  /** What the archive needs of a server. @throws ProgramFailure where it cannot be read. */
  async needs(): Promise<ArchiveNeeds> {
    if (this.format === 'plain') return await readNeeds(await plainText(this.file));
    const env = toolEnvironment(this.tool);
    const argv = ['--create', '--schema-only', '--file=-', this.file];
    const program = await startProgram(this.tool.file, argv, { env, signal: this.signal });
    program.stdin.end();
    const needs = await readNeeds(program.stdout);
    await requireSuccess('pg_restore', program);
    return needs;
  }

  /** Restores into an empty database; the first error ends it. @throws ProgramFailure, or the signal's reason. */
  async restore(target: RestoreTarget): Promise<void> {
    const env = {
      ...libpqEnvironment(target.url, target.server, this.tool),
      PGAPPNAME: 'pgkeep restore',
    };
    await (this.format === 'custom' ? this.restoreCustom(target, env) : this.restorePlain(env));
    this.signal.throwIfAborted();
  }

  private async restoreCustom(target: RestoreTarget, env: ProgramEnvironment): Promise<void> {
    const argv = [
      '--exit-on-error',
      `--jobs=${JOBS}`,
      '--no-password',
      // Of the server it came from: this one has not these places, and must not follow those publishers.
      '--no-tablespaces',
      '--no-subscriptions',
      ...(target.withOwners ? [] : ['--no-owner', '--no-privileges']),
      ...(target.selection ?? []),
      `--dbname=${connectionString(target.url.database)}`,
      this.file,
    ];
    const program = await startProgram(this.tool.file, argv, { env, signal: this.signal });
    program.stdin.end();
    program.stdout.resume();
    await requireSuccess('pg_restore', program);
  }

  /** One transaction, that is only committed when psql has seen the closing line: a cut file restores nothing. */
  private async restorePlain(env: ProgramEnvironment): Promise<void> {
    const argv = ['--no-psqlrc', '--quiet', '--no-password', '--set=ON_ERROR_STOP=1'];
    const program = await startProgram(this.tool.file, argv, { env, signal: this.signal });
    program.stdout.resume();
    const text = inOneTransaction(await plainText(this.file));
    const fed = pipeline(text, program.stdin, { signal: this.signal }).catch((error: unknown) => error);
    await requireSuccess('psql', program);
    // Where psql took everything, an error of feeding it is the file's own: cut, or no gzip at all.
    const fault = await fed;
    if (fault !== undefined) throw fault;
  }
}

type ProgramEnvironment = Readonly<Record<string, string | undefined>>;

async function formatOf(file: string): Promise<'custom' | 'plain'> {
  const beginning = (await firstBytes(file, 18)).toString('latin1');
  if (beginning === 'age-encryption.org') {
    throw new KeepError(
      'USAGE_INVALID',
      `${file} is encrypted, and has no manifest beside it that says how.`,
      {
        hint: 'Put its manifest beside it, or decrypt it first: `age --decrypt --output FILE.dump FILE.dump.age`.',
      },
    );
  }
  return beginning.startsWith('PGDMP') ? 'custom' : 'plain';
}

async function plainText(file: string): Promise<Readable> {
  const isGzip = (await firstBytes(file, 2)).equals(Buffer.from([0x1f, 0x8b]));
  const stored = createReadStream(file, { highWaterMark: 1 << 20 });
  if (!isGzip) return stored;
  const unpacked = createGunzip();
  // An error of the file must reach whoever reads the text.
  pipeline(stored, unpacked).catch(() => undefined);
  return unpacked;
}

async function firstBytes(file: string, count: number): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Quoted, because a bare name could itself be read as a connection string. */
function connectionString(database: string): string {
  return `dbname='${database.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}
