import { setImmediate } from 'node:timers/promises';
import { acceptedChecksums } from '../history/migration-directory.js';
import type { SqlParser, Token } from '../sql/sql-parser.js';

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
