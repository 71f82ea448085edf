import { statSync } from 'node:fs';
import type { HistoryRow } from '../migrations.types.js';
import { loadSqlParser } from '../sql/sql-parser.js';
import { onlyAddsComments } from './added-comments.js';
import { baselineFile, digestOf } from './baseline.js';
import { scriptOf } from './find-files.js';
import { MigrationSources } from './migration-sources.js';

/** A migration whose file was changed after it was applied, in more than its comments. */
export interface EditedFile {
  readonly name: string;
  /** Why the change was accepted, from the baseline; absent if it was not. */
  readonly acceptedBecause?: string;
}

/**
 * Returns those of some changed migrations that differ in more than added comments.
 * @param edited the names of migrations whose checksum differs from the history's
 * @throws PgkeepError `LINT_FAILED` if the baseline cannot be read, or `MIGRATIONS_UNREADABLE`.
 */
export async function judgeEdits(
  edited: readonly string[],
  rows: readonly HistoryRow[],
  sources: MigrationSources,
): Promise<EditedFile[]> {
  if (edited.length === 0) return [];
  const { edits } = await sources.baseline();
  const parser = await loadSqlParser();
  const judged: EditedFile[] = [];
  for (const name of edited) {
    const bytes = sources.read(scriptOf(sources.directory, name));
    const applied = rows.findLast((row) => row.name === name && row.finished && !row.rolledBack);
    if (applied && bytes && (await onlyAddsComments(bytes.toString(), applied.checksum, parser))) continue;
    const accepted = edits.get(name);
    const isAccepted = bytes !== null && accepted?.sha256 === digestOf(bytes);
    judged.push({ name, ...(accepted && isAccepted && { acceptedBecause: accepted.because }) });
  }
  return judged;
}

/** A file that differs from what was applied. */
export interface ChangedFile {
  readonly name: string;
  /** Of the current file. */
  readonly checksum: string;
  /** The newest attempt that was applied. */
  readonly applied: HistoryRow;
}

/**
 * Knows which changed files a deploy would refuse. A readiness check asks every few seconds and must not parse SQL, so
 * each version of a file is judged once, in the background.
 */
export class EditVerdicts {
  /** By version of a file: whether its change matters. */
  private verdicts = new Map<string, boolean>();
  private judging: Promise<void> | undefined;

  constructor(private readonly migrationsDirectory: string) {}

  /**
   * Sorts changed files: `edited` were changed in more than their comments, and the change was not accepted; `unjudged`
   * are being judged now.
   */
  byVerdict(changed: readonly ChangedFile[]): { edited: string[]; unjudged: string[] } {
    if (changed.length === 0) return { edited: [], unjudged: [] };
    const baseline = this.baselineStamp();
    const versions = changed.map((file) => ({
      ...file,
      version: [file.name, file.checksum, file.applied.checksum, baseline].join(' '),
    }));
    // Forgets versions that no longer exist.
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

  /** Resolves when the files so far are judged. */
  async settled(): Promise<void> {
    await this.judging;
  }

  private async judge(files: readonly (ChangedFile & { version: string })[]): Promise<void> {
    try {
      const names = files.map(({ name }) => name);
      const rows = files.map(({ applied }) => applied);
      const edits = await judgeEdits(names, rows, new MigrationSources(this.migrationsDirectory));
      const refused = edits.filter(({ acceptedBecause }) => acceptedBecause === undefined);
      for (const { name, version } of files) {
        this.verdicts.set(
          version,
          refused.some((edit) => edit.name === name),
        );
      }
    } catch {
      // A file or the baseline cannot be read: the files stay unjudged until the next evaluation.
    } finally {
      this.judging = undefined;
    }
  }

  private baselineStamp(): string {
    const stats = statSync(baselineFile(this.migrationsDirectory), { throwIfNoEntry: false });
    return stats ? `${stats.mtimeMs} ${stats.ctimeMs} ${stats.size}` : 'none';
  }
}
