import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { libpqEnvironment, toolEnvironment, type ReachedServer } from '../backup/libpq-environment.js';
import { findTool, type PostgresTool } from '../backup/postgres-tool.js';
import type { DatabaseUrl } from '../config/database-url.js';
import { outputOf, requireSuccess, startProgram, type ProgramOptions } from '../process/program.js';
import { readNeeds, type ArchiveNeeds } from './archive-contents.js';
import { completeDump } from './complete-dump.js';
import { readDumpKind, type DumpFormat } from './dump-kind.js';
import { restrictLine, withKnownSettings } from './known-settings.js';
import { majorOf } from './server-version.js';
import { isGuardEntry, withoutGuard } from './without-guard.js';

/** How many tables and indexes are restored at a time. */
const JOBS = 2;

/** Where an archive is restored into, and what of it is left out. */
export interface RestoreTarget {
  readonly url: DatabaseUrl;
  readonly server: ReachedServer;
  /** `15.18` */
  readonly serverVersion: string;
  /** The names of the settings that the server has. */
  readonly serverSettings: ReadonlySet<string>;
  /** False: everything belongs to the role that restores, and nothing is granted. */
  readonly withOwners: boolean;
  /** Options of pg_restore that choose a part of the archive. Defaults to all of it. */
  readonly selection?: readonly string[];
}

export interface ArchiveOptions {
  /** Of the program that restores it. Defaults to that of the pg_dump that wrote it. */
  readonly atLeastMajor?: number | undefined;
  readonly searchPath: string;
  readonly signal: AbortSignal;
}

/** An archive on this machine, and the program of PostgreSQL that restores it. */
export class Archive {
  /** Whether it holds pgkeep's DDL guard, which is left out; known once `needs` was asked. */
  hasGuard = false;
  /** Settings of the dump that the server does not have, and that were left out. */
  readonly leftOut = new Set<string>();

  private constructor(
    readonly file: string,
    /** Told by the first bytes: a file from elsewhere may be called anything. */
    readonly format: DumpFormat,
    /** pg_restore, or psql for a plain one. */
    readonly tool: PostgresTool,
    private readonly options: ArchiveOptions,
  ) {}

  /** @throws KeepError `BACKUP_TOOLS_MISSING`. */
  static async open(file: string, options: ArchiveOptions): Promise<Archive> {
    const { format, header } = await readDumpKind(file);
    const atLeastMajor = options.atLeastMajor ?? majorOf(header?.pgDumpVersion ?? '0');
    const { searchPath } = options;
    // SQL is read by any psql; one of the same version also knows the newest commands of a dump.
    const orNewest = format === 'plain';
    const program = orNewest ? 'psql' : 'pg_restore';
    const tool = await findTool({ program, atLeastMajor, orNewest, searchPath });
    return new Archive(file, format, tool, options);
  }

  get program(): 'pg_restore' | 'psql' {
    return this.format === 'plain' ? 'psql' : 'pg_restore';
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
    if (this.format === 'plain') await this.runPsql(await this.plainText(), this.tool, target);
    else {
      await this.withSelection(async (list) => {
        const options = restoreOptions(target, [...list, ...(target.selection ?? [])]);
        const isNewer = this.tool.major > majorOf(target.serverVersion);
        await (isNewer ? this.restoreAsSql(options, target) : this.restoreDirectly(options, target));
      });
    }
    this.options.signal.throwIfAborted();
  }

  private async restoreDirectly(options: readonly string[], target: RestoreTarget): Promise<void> {
    const argv = [
      '--exit-on-error',
      '--no-password',
      // pg_restore reads a tar file from its beginning to its end.
      ...(this.format === 'tar' ? [] : [`--jobs=${JOBS}`]),
      ...options,
      `--dbname=${connectionString(target.url.database)}`,
      this.file,
    ];
    const program = await startProgram(this.tool.file, argv, this.programOptions(this.tool, target));
    program.stdin.end();
    program.stdout.resume();
    await requireSuccess('pg_restore', program);
  }

  /** A pg_restore that is newer than the server sets what the server does not have; psql gets the rest. */
  private async restoreAsSql(options: readonly string[], target: RestoreTarget): Promise<void> {
    const { searchPath, signal } = this.options;
    const psql = await findTool({
      program: 'psql',
      atLeastMajor: this.tool.major,
      orNewest: true,
      searchPath,
    });
    const ending = new AbortController();
    const program = await startProgram(this.tool.file, ['--file=-', ...options, this.file], {
      env: toolEnvironment(this.tool),
      signal: AbortSignal.any([signal, ending.signal]),
    });
    program.stdin.end();
    try {
      const sql = Readable.from(outputOf('pg_restore', program), { objectMode: false });
      await this.runPsql(sql, psql, target);
    } finally {
      ending.abort();
      program.stdout.destroy();
      await program.ended;
    }
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
    const { signal } = this.options;
    const program = await startProgram(this.tool.file, argv, { env, signal });
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

  /** The first error ends it, and so does a dump that was cut. */
  private async runPsql(sql: Readable, psql: PostgresTool, target: RestoreTarget): Promise<void> {
    const argv = ['--no-psqlrc', '--quiet', '--no-password', '--set=ON_ERROR_STOP=1'];
    const program = await startProgram(psql.file, argv, this.programOptions(psql, target));
    program.stdout.resume();
    const rules = {
      known: target.serverSettings,
      guard: restrictLine(psql, `pgkeep${randomBytes(16).toString('hex')}`),
      onLeftOut: (name: string) => this.leftOut.add(name),
    };
    const { signal } = this.options;
    const fed = pipeline(completeDump(withKnownSettings(sql, rules)), program.stdin, { signal }).catch(
      (error: unknown) => error,
    );
    await requireSuccess('psql', program);
    // Where psql took everything, an error of feeding it is the file's own: cut, or no gzip at all.
    const fault = await fed;
    if (fault !== undefined) throw fault;
  }

  private programOptions(tool: PostgresTool, { url, server }: RestoreTarget): ProgramOptions {
    return {
      env: { ...libpqEnvironment(url, server, tool), PGAPPNAME: 'pgkeep restore' },
      signal: this.options.signal,
    };
  }
}

/** Options of pg_restore, whichever way it writes. */
function restoreOptions({ withOwners }: RestoreTarget, selection: readonly string[]): string[] {
  return [
    // Of the server it came from: this one has not these places, and must not follow those publishers.
    '--no-tablespaces',
    '--no-subscriptions',
    ...(withOwners ? [] : ['--no-owner', '--no-privileges']),
    ...selection,
  ];
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
