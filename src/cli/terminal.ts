/** Where a command writes: answers to stdout, everything else to stderr. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** A line at the bottom that is drawn anew; undefined where stderr is no terminal. */
  readonly live?: LiveLine | undefined;
}

export interface LiveLine {
  readonly columns: () => number;
  /** Replaces the line; nothing takes it away. */
  readonly draw: (text: string) => void;
}

/** Escape sequences: to the line's begin, and erase what is behind the text. */
const BEGIN = '\r';
const ERASE_REST = '\u{1B}[K';

const liveLine: LiveLine = {
  columns: () => process.stderr.columns,
  draw: (text) => process.stderr.write(`${BEGIN}${text}${ERASE_REST}`),
};

export const processTerminal: Terminal = {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  live: process.stderr.isTTY ? liveLine : undefined,
};
