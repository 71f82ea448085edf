import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { libpqEnvironment, toolEnvironment, type ReachedServer } from '../backup/libpq-environment.js';
import { findTool, type PostgresTool } from '../backup/postgres-tool.js';
import type { DatabaseUrl } from '../config/database-url.js';
import { requireSuccess, startProgram, type ProgramOptions } from '../process/program.js';
import type { ArchiveNeeds } from './archive-contents.js';
import { entryName, entryOfSection, isUnrestorable, type ArchiveEntry } from './archive-entries.js';
import { connectionString, formatOf } from './archive-format.js';
import { ArchiveList, type EntryChoice } from './archive-list.js';
import { needsOf, unpacked } from './archive-needs.js';
import { withoutSections } from './dump-sections.js';
import { FaultReader, type RestoreFault } from './restore-fault.js';
import { inOneTransaction } from './whole-plain-dump.js';
import { isGuardSection } from './without-guard.js';

/** How many tables and indexes are restored at a time. */
const JOBS = 2;
const FILE_CHUNK = 1 << 20;
/** How often a plain dump is tried again behind a fault. */
const MOST_ROUNDS = 20;
const ignore = (): void => undefined;

/** Where an archive is restored into, and what of it is left out. */
export interface RestoreTarget {
  readonly url: DatabaseUrl;
  readonly server: ReachedServer;
  /** False: everything belongs to the role that restores, and nothing is granted. */
  readonly withOwners: boolean;
  /** Options of pg_restore that choose a part of the archive. Defaults to all of it. */
  readonly selection?: readonly string[];
  /** Entries that are left out, besides those that no restore can run. */
  readonly without?: EntryChoice | undefined;
}

export interface ArchiveOptions {
  readonly atLeastMajor: number;
  readonly searchPath: string;
  readonly signal: AbortSignal;
}

/** An archive on this machine, and the program of PostgreSQL that restores it. */
export class Archive {
  private list: ArchiveList | undefined;
  private plainHasGuard = false;
  /** Where each entry begins in what psql was last given. */
  private sections: { readonly line: number; readonly entry: string }[] = [];

  private constructor(
    readonly file: string,
    /** Told by the first bytes: a file from elsewhere may be called anything. */
    readonly format: 'custom' | 'plain',
    /** pg_restore, or psql for a plain one. */
    readonly tool: PostgresTool,
    private readonly options: ArchiveOptions,
  ) {}

  /** @throws KeepError `BACKUP_TOOLS_MISSING`. */
  static async open(file: string, options: ArchiveOptions): Promise<Archive> {
    const format = await formatOf(file);
    const { atLeastMajor, searchPath } = options;
    const program = format === 'custom' ? 'pg_restore' : 'psql';
    return new Archive(file, format, await findTool({ program, atLeastMajor, searchPath }), options);
  }

  get program(): 'pg_restore' | 'psql' {
    return this.format === 'custom' ? 'pg_restore' : 'psql';
  }

  /** Whether it holds pgkeep's DDL guard, which is left out; known once it was restored. */
  get hasGuard(): boolean {
    return this.list?.hasGuard ?? this.plainHasGuard;
  }

  /** What the archive needs of a server. @throws ProgramFailure where it cannot be read. */
  async needs(): Promise<ArchiveNeeds> {
    const { signal } = this.options;
    const pgRestore = this.format === 'custom' ? this.tool : undefined;
    return await needsOf(createReadStream(this.file, { highWaterMark: FILE_CHUNK }), { pgRestore, signal });
  }

  /** Everything in it, but pgkeep's DDL guard. @throws ProgramFailure where it cannot be read. */
  async entries(): Promise<readonly ArchiveEntry[]> {
    if (this.format === 'custom') return (await this.readList()).entries;
    const entries: ArchiveEntry[] = [];
    const sql = withoutSections(this.sql(), isGuardSection, ignore, (comment) => {
      const entry = entryOfSection(comment);
      if (entry) entries.push(entry);
    });
    for (let next = await sql.next(); !next.done;) next = await sql.next();
    return entries;
  }

  /** Restores into an empty database; the first error ends it. @throws ProgramFailure, or the signal's reason. */
  async restore(target: RestoreTarget): Promise<void> {
    await (this.format === 'custom' ? this.restoreCustom(target) : this.restorePlain(target));
    this.options.signal.throwIfAborted();
  }

  /**
   * Restores into an empty database whatever can be restored. A plain dump is tried again from the beginning behind
   * each fault: psql would take the rows of a table that it could not make for statements.
   * @param renew empties the database
   * @returns what could not be restored. @throws ProgramFailure where that is not known.
   */
  async restoreWhatCan(target: RestoreTarget, renew: () => Promise<void>): Promise<readonly RestoreFault[]> {
    if (this.format === 'custom') return await this.restoreCustomWhatCan(target);
    const faults: RestoreFault[] = [];
    const out = new Set<string>();
    const without: EntryChoice = (entry) => out.has(entryName(entry)) || target.without?.(entry) === true;
    for (;;) {
      const reader: FaultReader = new FaultReader((line) => this.sectionAt(line));
      const failure = await this.restorePlain({ ...target, without }, reader).catch(
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

  private async restoreCustom(target: RestoreTarget): Promise<void> {
    await this.runRestore(target, ['--exit-on-error', `--jobs=${JOBS}`]);
  }

  /** One at a time: only then pg_restore says which entry failed. */
  private async restoreCustomWhatCan(target: RestoreTarget): Promise<readonly RestoreFault[]> {
    const { names } = await this.readList();
    const reader = new FaultReader((number) => names.get(number));
    const failure = await this.runRestore(target, ['--verbose'], reader).catch((error: unknown) => error);
    if (failure !== undefined && reader.faults.length === 0) throw failure;
    return reader.faults;
  }

  private async runRestore(
    target: RestoreTarget,
    options: readonly string[],
    reader?: FaultReader,
  ): Promise<void> {
    const list = await this.readList();
    await list.without(target.without ?? (() => false), async (selection) => {
      const argv = [
        ...options,
        '--no-password',
        // Of the server it came from: this one has not these places, and must not follow those publishers.
        '--no-tablespaces',
        '--no-subscriptions',
        ...(target.withOwners ? [] : ['--no-owner', '--no-privileges']),
        ...selection,
        ...(target.selection ?? []),
        `--dbname=${connectionString(target.url.database)}`,
        this.file,
      ];
      const program = await startProgram(this.tool.file, argv, this.programOptions(target, reader));
      program.stdin.end();
      program.stdout.resume();
      await requireSuccess('pg_restore', program);
    });
  }

  /** One transaction, that is only committed when psql has seen the closing line: a cut file restores nothing. */
  private async restorePlain(target: RestoreTarget, reader?: FaultReader): Promise<void> {
    const { signal } = this.options;
    const argv = [
      '--no-psqlrc',
      '--quiet',
      '--no-password',
      '--set=ON_ERROR_STOP=1',
      '--echo-errors',
      '--file=-',
    ];
    const program = await startProgram(this.tool.file, argv, this.programOptions(target, reader));
    program.stdout.resume();
    this.sections = [];
    const kept = withoutSections(this.sql(), this.leavesOut(target), ignore, (comment, line) => {
      const entry = entryOfSection(comment);
      // The transaction is begun in a line in front.
      if (entry) this.sections.push({ line: line + 1, entry: entryName(entry) });
    });
    const whole = inOneTransaction(Readable.from(kept, { objectMode: false }));
    const fed = pipeline(whole, program.stdin, { signal }).catch((error: unknown) => error);
    await requireSuccess('psql', program);
    // Where psql took everything, an error of feeding it is the file's own: cut, or no gzip at all.
    const fault = await fed;
    if (fault !== undefined) throw fault;
  }

  private sectionAt(line: number): string | undefined {
    return this.sections.findLast((section) => section.line <= line)?.entry;
  }

  /** Whether the entry of a plain dump that this comment stands above is left out. */
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

  /** The text of a plain dump. */
  private sql(): Readable {
    const stored = createReadStream(this.file, { highWaterMark: FILE_CHUNK });
    return Readable.from(unpacked(stored), { objectMode: false });
  }

  /** Runs pg_restore without a server, and reads what it writes. */
  private async read<T>(argv: readonly string[], reader: (output: Readable) => Promise<T>): Promise<T> {
    const env = toolEnvironment(this.tool);
    const { signal } = this.options;
    const program = await startProgram(this.tool.file, [...argv, this.file], { env, signal });
    program.stdin.end();
    const result = await reader(program.stdout);
    await requireSuccess('pg_restore', program);
    return result;
  }

  private programOptions({ url, server }: RestoreTarget, reader: FaultReader | undefined): ProgramOptions {
    return {
      env: { ...libpqEnvironment(url, server, this.tool), PGAPPNAME: 'pgkeep restore' },
      signal: this.options.signal,
      onErrorOutput: (piece) => reader?.add(piece),
    };
  }
}
