import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { entryName, entryOfListLine, isUnrestorable, type ArchiveEntry } from './archive-entries.js';
import { isGuardEntry } from './without-guard.js';

/** Chooses entries that a restore leaves out. */
export type EntryChoice = (entry: ArchiveEntry) => boolean;

/** The table of contents of an archive in PostgreSQL's own format, as `pg_restore --list` prints it. */
export class ArchiveList {
  /** Whether it holds pgkeep's DDL guard, which is left out. */
  readonly hasGuard: boolean;

  constructor(private readonly lines: readonly string[]) {
    this.hasGuard = lines.some((line) => isGuardEntry(line));
  }

  get entries(): readonly ArchiveEntry[] {
    return this.lines.flatMap((line) => (isGuardEntry(line) ? [] : (entryOfListLine(line) ?? [])));
  }

  /** The names of the entries by the numbers that pg_restore's errors have. */
  get names(): ReadonlyMap<number, string> {
    return new Map(
      this.lines.flatMap((line) => {
        const entry = entryOfListLine(line);
        return entry ? [[Number.parseInt(line, 10), entryName(entry)] as const] : [];
      }),
    );
  }

  /** Runs `work` with the options by which pg_restore takes what is left; none where that is all. */
  async without<T>(isLeftOut: EntryChoice, work: (options: readonly string[]) => Promise<T>): Promise<T> {
    const kept = this.lines.filter((line) => {
      const entry = entryOfListLine(line);
      return !isGuardEntry(line) && !(entry && (isUnrestorable(entry) || isLeftOut(entry)));
    });
    if (kept.length === this.lines.length) return await work([]);
    const directory = await mkdtemp(path.join(tmpdir(), 'pgkeep-list-'));
    try {
      const list = path.join(directory, 'list');
      await writeFile(list, kept.join('\n'));
      return await work([`--use-list=${list}`]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}
