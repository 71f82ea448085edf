import { statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { acceptedChecksums } from '../history/migration-directory.js';
import type { HistoryRow } from '../migrations.types.js';
import { loadSqlParser, type SqlParser, type Token } from '../sql/sql-parser.js';
import { baselineFile, digestOf, MigrationSources } from './baseline.js';
import { scriptOf } from './find-files.js';

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

/** More comments than this are only tried all together: trying every run of them would take long. */
const MANY = 80;

interface Piece {
  readonly from: number;
  readonly to: number;
}

/**
 * Returns whether a file differs from what was applied only by added comments. The history has only the checksum of the
 * original, so this looks for it: the file without some of its comments must have that checksum. PostgreSQL's scanner
 * decides what a comment is, so no statement can hide in one. Yields to the event loop between two tries, because the
 * service calls this as well.
 */
export async function onlyAddsComments(
  text: string,
  appliedChecksum: string,
  parser: SqlParser,
): Promise<boolean> {
  const bytes = Buffer.from(text);
  const tokens = parser.scan(text);
  const comments = tokens?.filter(({ isComment }) => isComment) ?? [];
  if (!tokens || comments.length === 0) return false;
  const isOriginal = (pieces: readonly Piece[]): boolean => {
    const original = without(bytes, pieces);
    return (
      acceptedChecksums(original.toString()).includes(appliedChecksum) &&
      isSame(bytes, tokens, original, parser)
    );
  };
  const waivers = comments.filter(({ start, end }) => /^--\s*pgkeep:allow\b/.test(textOf(bytes, start, end)));
  for (const widen of [lines, linesAndBlanks, endsOfLines, exactly]) {
    const pieces = (some: readonly Token[]): Piece[] => some.map((token) => widen(bytes, token));
    if (waivers.length > 0 && isOriginal(pieces(waivers))) return true;
    for (const run of runsOf(bytes, comments)) {
      if (isOriginal(pieces(run))) return true;
      await setImmediate();
    }
  }
  return false;
}

/** Yields every run of comments with nothing but white space between them. */
function* allRuns(bytes: Buffer, comments: readonly Token[]): Generator<Token[]> {
  for (let first = 0; first < comments.length; first += 1) {
    const run: Token[] = [];
    for (const token of comments.slice(first)) {
      const before = run.at(-1);
      if (before && textOf(bytes, before.end, token.start).trim() !== '') break;
      run.push(token);
      yield [...run];
    }
  }
}

function runsOf(bytes: Buffer, comments: readonly Token[]): Token[][] {
  return comments.length > MANY ? [[...comments]] : [...allRuns(bytes, comments)];
}

/** Widens a comment to its line: the indentation before it, and the end of the line. */
function lines(bytes: Buffer, { start, end }: Token): Piece {
  const from = start - (/[ \t]*$/.exec(textOf(bytes, 0, start))?.[0].length ?? 0);
  const to = end + (/^[ \t]*\r?\n?/.exec(textOf(bytes, end, end + 200))?.[0].length ?? 0);
  return { from, to };
}

/** Widens a comment to its line and the blank lines below it. */
function linesAndBlanks(bytes: Buffer, token: Token): Piece {
  const { from } = lines(bytes, token);
  const below = textOf(bytes, token.end, bytes.length);
  return { from, to: token.end + (below.length - below.trimStart().length) };
}

/** Widens a comment at the end of a line to the white space before it. */
function endsOfLines(bytes: Buffer, { start, end }: Token): Piece {
  return { from: start - (/\s*$/.exec(textOf(bytes, 0, start))?.[0].length ?? 0), to: end };
}

function exactly(_bytes: Buffer, { start, end }: Token): Piece {
  return { from: start, to: end };
}

function without(bytes: Buffer, pieces: readonly Piece[]): Buffer {
  const kept: Buffer[] = [];
  let at = 0;
  for (const { from, to } of pieces) {
    kept.push(bytes.subarray(at, Math.max(at, from)));
    at = Math.max(at, to);
  }
  return Buffer.concat([...kept, bytes.subarray(at)]);
}

/** Returns whether both have the same tokens, comments left out. */
function isSame(bytes: Buffer, tokens: readonly Token[], original: Buffer, parser: SqlParser): boolean {
  const wordsOf = (from: Buffer, all: readonly Token[]): string[] =>
    all.filter(({ isComment }) => !isComment).map(({ start, end }) => textOf(from, start, end));
  const others = parser.scan(original.toString());
  return others !== undefined && wordsOf(bytes, tokens).join('\0') === wordsOf(original, others).join('\0');
}

function textOf(bytes: Buffer, from: number, to: number): string {
  return bytes.toString('latin1', from, to);
}
