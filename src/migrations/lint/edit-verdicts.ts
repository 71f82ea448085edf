import { statSync } from 'node:fs';
import type { HistoryRow } from '../migrations.types.js';
import { baselineFile } from './baseline.js';
import { judgeEdits } from './edited-files.js';

/** A file that differs from what was applied. */
export interface ChangedFile {
  readonly name: string;
  /** Of the file as it is now. */
  readonly checksum: string;
  /** The newest attempt that was applied. */
  readonly applied: HistoryRow;
}

/**
 * Which changed files a deploy would refuse. A readiness check asks every few seconds and must not parse SQL: each
 * version of a file is judged once, in the background.
 */
export class EditVerdicts {
  /** By version of a file: whether its change matters. */
  private verdicts = new Map<string, boolean>();
  private judging: Promise<void> | undefined;

  constructor(private readonly migrationsDirectory: string) {}

  /**
   * Sorts changed files by what is known: `edited` were changed in more than their comments, and not accepted; `unjudged`
   * are looked at now.
   */
  byVerdict(changed: readonly ChangedFile[]): { edited: string[]; unjudged: string[] } {
    if (changed.length === 0) return { edited: [], unjudged: [] };
    const baseline = this.baselineStamp();
    const versions = changed.map((file) => ({
      ...file,
      version: [file.name, file.checksum, file.applied.checksum, baseline].join(' '),
    }));
    // Versions that are gone are forgotten.
    this.verdicts = new Map(
      versions.flatMap(({ version }): [string, boolean][] => {
        const verdict = this.verdicts.get(version);
        return verdict === undefined ? [] : [[version, verdict]];
      }),
    );
    const unknown = versions.filter(({ version }) => !this.verdicts.has(version));
    if (unknown.length > 0) this.judging ??= this.judge(unknown);
    const withVerdict = (wanted: boolean | undefined): string[] =>
      versions.filter(({ version }) => this.verdicts.get(version) === wanted).map(({ name }) => name);
    return { edited: withVerdict(true), unjudged: withVerdict(undefined) };
  }

  /** Ends when what was asked so far is judged. */
  async settled(): Promise<void> {
    await this.judging;
  }

  private async judge(files: readonly (ChangedFile & { version: string })[]): Promise<void> {
    try {
      const names = files.map(({ name }) => name);
      const rows = files.map(({ applied }) => applied);
      const edits = await judgeEdits(names, rows, this.migrationsDirectory);
      const refused = edits.filter(({ acceptedBecause }) => acceptedBecause === undefined);
      for (const { name, version } of files) {
        this.verdicts.set(
          version,
          refused.some((edit) => edit.name === name),
        );
      }
    } catch {
      // A file or a baseline that cannot be read: not known to be harmless. Asked again at the next evaluation.
    } finally {
      this.judging = undefined;
    }
  }

  private baselineStamp(): string {
    const stats = statSync(baselineFile(this.migrationsDirectory), { throwIfNoEntry: false });
    return stats ? `${stats.mtimeMs} ${stats.ctimeMs} ${stats.size}` : 'none';
  }
}
