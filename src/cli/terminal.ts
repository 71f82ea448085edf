import { createInterface } from 'node:readline/promises';

/** Where a command writes: answers to stdout, everything else to stderr. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** The progress line at the bottom; undefined if stderr is not a terminal. */
  readonly live?: LiveLine | undefined;
  /** The screen; undefined if stdin or stdout is not a terminal. */
  readonly screen?: Screen | undefined;
}

/** A screen that is drawn again and again, until a key ends it. */
export interface Screen {
  /** Replaces what is shown: as many lines, and as much of each, as there is room for. */
  readonly draw: (lines: readonly string[]) => void;
  /** Calls `listener` with each key. */
  readonly open: (listener: (key: string) => void) => void;
  /** Shows again what was there before. */
  readonly close: () => void;
}

export interface LiveLine {
  readonly columns: () => number;
  /** Replaces the line. */
  readonly draw: (text: string) => void;
}

/** Escape sequences: return to the start of the line, erase the rest of it. */
const BEGIN = '\r';
const ERASE_REST = '\u{1B}[K';

/** Escape sequences: switch to another screen and back, hide and show the cursor, go to the first line, erase the rest. */
const OTHER_SCREEN = '\u{1B}[?1049h\u{1B}[?25l';
const FIRST_SCREEN = '\u{1B}[?25h\u{1B}[?1049l';
const HOME = '\u{1B}[H';
const ERASE_BELOW = '\u{1B}[J';
const CTRL_C = '\u{3}';

/** Returns what draws lines on a screen of this size; the last line says how many did not fit. Pure. */
export function screenText(
  lines: readonly string[],
  { rows, columns }: { rows: number; columns: number },
): string {
  const fits = lines.length <= rows;
  const shown = fits ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`];
  const cut = shown.map((line) => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line));
  return `${HOME}${cut.map((line) => `${line}${ERASE_REST}`).join('\r\n')}${ERASE_BELOW}`;
}

const processScreen: Screen = {
  draw: (lines) => {
    const { rows, columns } = process.stdout;
    process.stdout.write(screenText(lines, { rows, columns }));
  },
  open: (listener) => {
    process.stdout.write(OTHER_SCREEN);
    process.stdin.setRawMode(true).setEncoding('utf8').resume();
    // In raw mode Ctrl-C is a key and not a signal.
    process.stdin.on('data', (key) => {
      if (String(key) === CTRL_C) process.kill(process.pid, 'SIGINT');
      else listener(String(key));
    });
  },
  close: () => {
    process.stdin.setRawMode(false).pause().removeAllListeners('data');
    process.stdout.write(FIRST_SCREEN);
  },
};

const liveLine: LiveLine = {
  columns: () => process.stderr.columns,
  draw: (text) => process.stderr.write(`${BEGIN}${text}${ERASE_REST}`),
};

export const processTerminal: Terminal = {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  live: process.stderr.isTTY ? liveLine : undefined,
  screen: process.stdin.isTTY && process.stdout.isTTY ? processScreen : undefined,
};

/** Returns whether a person can answer a question. */
export function isTerminal(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Asks a question on the terminal. Ctrl-C ends it and the verb. @throws the signal's reason. */
export async function ask(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // In raw mode Ctrl-C is a key and not a signal.
  lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    return (await lines.question(question, { signal })).trim();
  } finally {
    lines.close();
  }
}
