import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import {
  findTool,
  libpqEnvironment,
  majorOf,
  type PostgresTool,
  toolEnvironment,
} from '../../backup/postgres-tools.js';
import type { DatabaseUrl } from '../../config/database-url.js';
import { outputOf, type ProgramOptions, requireSuccess, startProgram } from '../../core/process/program.js';
import { isGuardSection } from '../../guard/ddl/ddl-guard-sql.js';
import type { ReachedServer } from '../../postgres/session.js';
import { type ArchiveNeeds, needsOf, needsOfFile, unpacked } from './archive-needs.js';
import { completeDump, restrictLine, withKnownSettings, withoutSections } from './dump-filters.js';
import { detectDump, type DumpFormat } from './dump-format.js';
import { FaultReader, type RestoreFault } from './restore-fault.js';
import {
  type ArchiveEntry,
  ArchiveList,
  type EntryChoice,
  entryName,
  entryOfSection,
  isUnrestorable,
} from './table-of-contents.js';

/** How many tables and indexes are restored at a time. */
const JOBS = 2;
const FILE_CHUNK = 1 << 20;
/** How often SQL is restored again without an entry that failed. */
const MOST_ROUNDS = 20;
const ignore = (): void => undefined;

/** The database that an archive is restored into, and which entries are left out. */
export interface RestoreTarget {
  readonly url: DatabaseUrl;
  readonly server: ReachedServer;
  /** `15.18` */
  readonly serverVersion: string;
  /** The names of the server's settings. */
  readonly serverSettings: ReadonlySet<string>;
  /** False: the restoring role owns everything, and no grants are restored. */
  readonly withOwners: boolean;
  /** Options of pg_restore that select a part of the archive. Defaults to everything. */
  readonly selection?: readonly string[];
  /** Selects entries to leave out, in addition to those that every restore leaves out. */
  readonly without?: EntryChoice | undefined;
}

export interface ArchiveOptions {
  /** The least major version of the program that restores it. Defaults to that of the pg_dump that wrote it. */
  readonly atLeastMajor?: number | undefined;
  readonly searchPath: string;
  readonly signal: AbortSignal;
}

/** An archive on this machine, and the program of PostgreSQL that restores it. */
export class Archive {
  /** Settings of the dump that were left out because the server does not have them. */
  readonly leftOut = new Set<string>();
  private list: ArchiveList | undefined;
  private plainHasGuard = false;
  /** Where each entry begins in the last input of psql. */
  private sections: { readonly line: number; readonly entry: string }[] = [];

  private constructor(
    readonly file: string,
    /** Detected from the first bytes: another tool's file may have any name. */
    readonly format: DumpFormat,
    /** pg_restore, or psql for a plain dump. */
    readonly tool: PostgresTool,
    private readonly options: ArchiveOptions,
  ) {}

  /** @throws PgkeepError `BACKUP_TOOLS_MISSING`, `USAGE_INVALID` for a format that cannot be restored. */
  static async open(file: string, options: ArchiveOptions): Promise<Archive> {
    const { format, header } = await detectDump(file);
    const atLeastMajor = options.atLeastMajor ?? majorOf(header?.pgDumpVersion ?? '0');
    const { searchPath } = options;
    // Any psql reads SQL; one of the same version also knows the newest commands of a dump.
    const orNewest = format === 'plain';
    const program = orNewest ? 'psql' : 'pg_restore';
    const tool = await findTool({ program, atLeastMajor, orNewest, searchPath });
    return new Archive(file, format, tool, options);
  }

  get program(): 'pg_restore' | 'psql' {
    return this.format === 'plain' ? 'psql' : 'pg_restore';
  }

  /** Whether it contains pgkeep's DDL guard, which is left out; known after the restore. */
  get hasGuard(): boolean {
    return this.list?.hasGuard ?? this.plainHasGuard;
  }

  /** Reads what the archive requires of a server. @throws ProgramFailure if it cannot be read. */
  async needs(): Promise<ArchiveNeeds> {
    const { signal } = this.options;
    if (this.format !== 'plain') return await needsOfFile(this.file, this.tool, signal);
    return await needsOf(this.stored(), { pgRestore: undefined, signal });
  }

  /** Lists the entries, without pgkeep's DDL guard. @throws ProgramFailure if it cannot be read. */
  async entries(): Promise<readonly ArchiveEntry[]> {
    if (this.format !== 'plain') return (await this.readList()).entries;
    const entries: ArchiveEntry[] = [];
    const sql = withoutSections(this.plainText(), isGuardSection, ignore, (comment) => {
      const entry = entryOfSection(comment);
      if (entry) entries.push(entry);
    });
    for (let next = await sql.next(); !next.done;) next = await sql.next();
    return entries;
  }

  /** Restores into an empty database; stops at the first error. @throws ProgramFailure, or the signal's reason. */
  async restore(target: RestoreTarget): Promise<void> {
    // pg_restore cannot read a tar file in parallel.
    const jobs = this.format === 'tar' ? [] : [`--jobs=${JOBS}`];
    await (this.isDirect(target)
      ? this.restoreDirectly(target, ['--exit-on-error', ...jobs])
      : this.restoreAsSql(target));
    this.options.signal.throwIfAborted();
  }

  /**
   * Restores everything that can be restored into an empty database. SQL is restored again from the beginning after each
   * fault: psql would run the rows of a table that it could not create as statements.
   * @param renew empties the database
   * @returns what could not be restored. @throws ProgramFailure if that is not known.
   */
  async restoreWhatCan(target: RestoreTarget, renew: () => Promise<void>): Promise<readonly RestoreFault[]> {
    if (this.isDirect(target)) return await this.restoreDirectlyWhatCan(target);
    const faults: RestoreFault[] = [];
    const out = new Set<string>();
    const without: EntryChoice = (entry) => out.has(entryName(entry)) || target.without?.(entry) === true;
    for (;;) {
      const reader: FaultReader = new FaultReader((line) => this.sectionAt(line));
      const failure = await this.restoreAsSql({ ...target, without }, reader).catch(
        (error: unknown) => error,
      );
      if (failure === undefined) return faults;
      const [fault] = reader.faults;
      if (fault?.entry === undefined || out.has(fault.entry) || faults.length >= MOST_ROUNDS) throw failure;
      faults.push(fault);
      out.add(fault.entry);
      await renew();
    }
  }

  /** A pg_restore that is newer than the server sets unknown settings: psql then restores its SQL without them. */
  private isDirect({ serverVersion }: RestoreTarget): boolean {
    return this.format !== 'plain' && this.tool.major <= majorOf(serverVersion);
  }

  /** Restores one entry at a time: only then pg_restore reports which one failed. */
  private async restoreDirectlyWhatCan(target: RestoreTarget): Promise<readonly RestoreFault[]> {
    const { names } = await this.readList();
    const reader = new FaultReader((number) => names.get(number));
    const failure = await this.restoreDirectly(target, ['--verbose'], reader).catch(
      (error: unknown) => error,
    );
    if (failure !== undefined && reader.faults.length === 0) throw failure;
    return reader.faults;
  }

  private async restoreDirectly(
    target: RestoreTarget,
    options: readonly string[],
    reader?: FaultReader,
  ): Promise<void> {
    await this.withSelection(target, async (selection) => {
      const database = `--dbname=${connectionString(target.url.database)}`;
      const argv = [...options, '--no-password', ...selection, database, this.file];
      const program = await startProgram(
        this.tool.file,
        argv,
        await this.programOptions(this.tool, target, reader),
      );
      program.stdin.end();
      program.stdout.resume();
      await requireSuccess('pg_restore', program);
    });
  }

  private async restoreAsSql(target: RestoreTarget, reader?: FaultReader): Promise<void> {
    if (this.format === 'plain') {
      await this.runPsql(this.plainText(), this.tool, target, reader);
      return;
    }
    const { searchPath, signal } = this.options;
    const { major: atLeastMajor } = this.tool;
    const psql = await findTool({ program: 'psql', atLeastMajor, orNewest: true, searchPath });
    await this.withSelection(target, async (selection) => {
      const ending = new AbortController();
      const program = await startProgram(this.tool.file, ['--file=-', ...selection, this.file], {
        env: toolEnvironment(this.tool),
        signal: AbortSignal.any([signal, ending.signal]),
      });
      program.stdin.end();
      try {
        await this.runPsql(outputOf('pg_restore', program), psql, target, reader);
      } finally {
        ending.abort();
        program.stdout.destroy();
        await program.ended;
      }
    });
  }

  /** Runs `work` with the options of pg_restore that select what is restored. */
  private async withSelection(
    { withOwners, selection = [], without = () => false }: RestoreTarget,
    work: (options: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const list = await this.readList();
    await list.without(without, (kept) =>
      work([
        // They belong to the source server.
        '--no-tablespaces',
        '--no-subscriptions',
        ...(withOwners ? [] : ['--no-owner', '--no-privileges']),
        ...kept,
        ...selection,
      ]),
    );
  }

  /** Runs SQL; stops at the first error, and fails if the dump is cut. */
  private async runPsql(
    dump: AsyncIterable<Buffer>,
    psql: PostgresTool,
    target: RestoreTarget,
    reader: FaultReader | undefined,
  ): Promise<void> {
    const argv = [
      '--no-psqlrc',
      '--quiet',
      '--no-password',
      '--set=ON_ERROR_STOP=1',
      '--echo-errors',
      '--file=-',
    ];
    const program = await startProgram(psql.file, argv, await this.programOptions(psql, target, reader));
    program.stdout.resume();
    const { signal } = this.options;
    const fed = pipeline(completeDump(this.kept(dump, psql, target)), program.stdin, { signal }).catch(
      (error: unknown) => error,
    );
    await requireSuccess('psql', program);
    // psql succeeded, so that an error while feeding it is the file's: it is cut, or its gzip data is damaged.
    const fault = await fed;
    if (fault !== undefined) throw fault;
  }

  /** Returns the SQL to run. Entries are filtered last, so that their line numbers are those of psql. */
  private kept(
    dump: AsyncIterable<Buffer>,
    psql: PostgresTool,
    target: RestoreTarget,
  ): AsyncGenerator<Buffer> {
    const rules = {
      known: target.serverSettings,
      restrict: restrictLine(psql, `pgkeep${randomBytes(16).toString('hex')}`),
      onLeftOut: (name: string) => this.leftOut.add(name),
    };
    this.sections = [];
    return withoutSections(
      withKnownSettings(dump, rules),
      this.leavesOut(target),
      ignore,
      (comment, line) => {
        const entry = entryOfSection(comment);
        if (entry) this.sections.push({ line, entry: entryName(entry) });
      },
    );
  }

  private sectionAt(line: number): string | undefined {
    return this.sections.findLast((section) => section.line <= line)?.entry;
  }

  /** Returns whether to leave out the entry of a plain dump below a comment. */
  private leavesOut({ without }: RestoreTarget): (comment: string) => boolean {
    return (comment) => {
      const isGuard = isGuardSection(comment);
      this.plainHasGuard ||= isGuard;
      const entry = entryOfSection(comment);
      return isGuard || (entry !== undefined && (isUnrestorable(entry) || without?.(entry) === true));
    };
  }

  private async readList(): Promise<ArchiveList> {
    this.list ??= new ArchiveList(
      await this.read(['--create', '--list'], async (list) => (await text(list)).split('\n')),
    );
    return this.list;
  }

  private stored(): Readable {
    return createReadStream(this.file, { highWaterMark: FILE_CHUNK });
  }

  private plainText(): AsyncGenerator<Buffer> {
    return unpacked(this.stored());
  }

  /** Runs pg_restore without a server and reads its output. */
  private async read<T>(argv: readonly string[], reader: (output: Readable) => Promise<T>): Promise<T> {
    const env = toolEnvironment(this.tool);
    const { signal } = this.options;
    const program = await startProgram(this.tool.file, [...argv, this.file], { env, signal });
    program.stdin.end();
    const result = await reader(program.stdout);
    await requireSuccess('pg_restore', program);
    return result;
  }

  private async programOptions(
    tool: PostgresTool,
    { url, server }: RestoreTarget,
    reader: FaultReader | undefined,
  ): Promise<ProgramOptions> {
    return {
      env: await libpqEnvironment(url, server, tool),
      signal: this.options.signal,
      onErrorOutput: (piece) => reader?.add(piece),
    };
  }
}

/** Returns a quoted name: an unquoted one could be read as a connection string. */
function connectionString(database: string): string {
  return `dbname='${database.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}
