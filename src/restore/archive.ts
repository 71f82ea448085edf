import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { libpqEnvironment, toolEnvironment } from '../backup/libpq-environment.js';
import type { ReachedServer } from '../database/reached-server.js';
import { findTool, type PostgresTool } from '../backup/postgres-tool.js';
import type { DatabaseUrl } from '../config/database-url.js';
import { KeepError } from '../errors.js';
import { requireSuccess, startProgram } from '../process/program.js';
import { readNeeds, type ArchiveNeeds } from './archive-contents.js';
import { inOneTransaction } from './whole-plain-dump.js';
import { isGuardEntry, withoutGuard } from './without-guard.js';

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
  /** Whether it holds pgkeep's DDL guard, which is left out; known once `needs` was asked. */
  hasGuard = false;

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
    if (this.format === 'plain') return await readNeeds(await this.plainText());
    return await this.withSelection(async (selection) => {
      const argv = ['--create', '--schema-only', '--file=-', ...selection, this.file];
      return await this.read(argv, readNeeds);
    });
  }

  /** Restores into an empty database; the first error ends it. @throws ProgramFailure, or the signal's reason. */
  async restore(target: RestoreTarget): Promise<void> {
    const env = await libpqEnvironment(target.url, target.server, this.tool);
    await (this.format === 'custom' ? this.restoreCustom(target, env) : this.restorePlain(env));
    this.signal.throwIfAborted();
  }

  private async restoreCustom(target: RestoreTarget, env: ProgramEnvironment): Promise<void> {
    await this.withSelection(async (list) => {
      await this.runRestore([...list, ...(target.selection ?? [])], target, env);
    });
  }

  private async runRestore(
    selection: readonly string[],
    target: RestoreTarget,
    env: ProgramEnvironment,
  ): Promise<void> {
    const argv = [
      '--exit-on-error',
      `--jobs=${JOBS}`,
      '--no-password',
      // Of the server it came from: this one has not these places, and must not follow those publishers.
      '--no-tablespaces',
      '--no-subscriptions',
      ...(target.withOwners ? [] : ['--no-owner', '--no-privileges']),
      ...selection,
      `--dbname=${connectionString(target.url.database)}`,
      this.file,
    ];
    const program = await startProgram(this.tool.file, argv, { env, signal: this.signal });
    program.stdin.end();
    program.stdout.resume();
    await requireSuccess('pg_restore', program);
  }

  /** The options by which pg_restore leaves the DDL guard out; none where there is none. */
  private async withSelection<T>(work: (options: readonly string[]) => Promise<T>): Promise<T> {
    const entries = await this.read(['--create', '--list', this.file], async (list) =>
      (await text(list)).split('\n'),
    );
    const kept = entries.filter((entry) => !isGuardEntry(entry));
    if (kept.length === entries.length) return await work([]);
    this.hasGuard = true;
    const directory = await mkdtemp(path.join(tmpdir(), 'pgkeep-list-'));
    try {
      const list = path.join(directory, 'list');
      await writeFile(list, kept.join('\n'));
      return await work([`--use-list=${list}`]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** Runs pg_restore without a server, and reads what it writes. */
  private async read<T>(argv: readonly string[], reader: (output: Readable) => Promise<T>): Promise<T> {
    const env = toolEnvironment(this.tool);
    const program = await startProgram(this.tool.file, argv, { env, signal: this.signal });
    program.stdin.end();
    const result = await reader(program.stdout);
    await requireSuccess('pg_restore', program);
    return result;
  }

  private async plainText(): Promise<Readable> {
    return Readable.from(
      withoutGuard(await unpacked(this.file), () => {
        this.hasGuard = true;
      }),
      { objectMode: false },
    );
  }

  /** One transaction, that is only committed when psql has seen the closing line: a cut file restores nothing. */
  private async restorePlain(env: ProgramEnvironment): Promise<void> {
    const argv = ['--no-psqlrc', '--quiet', '--no-password', '--set=ON_ERROR_STOP=1'];
    const program = await startProgram(this.tool.file, argv, { env, signal: this.signal });
    program.stdout.resume();
    const sql = inOneTransaction(await this.plainText());
    const fed = pipeline(sql, program.stdin, { signal: this.signal }).catch((error: unknown) => error);
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

async function unpacked(file: string): Promise<Readable> {
  const isGzip = (await firstBytes(file, 2)).equals(Buffer.from([0x1f, 0x8b]));
  const stored = createReadStream(file, { highWaterMark: 1 << 20 });
  if (!isGzip) return stored;
  const sql = createGunzip();
  // An error of the file must reach whoever reads the text.
  pipeline(stored, sql).catch(() => undefined);
  return sql;
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
