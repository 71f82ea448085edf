import { createInterface } from 'node:readline/promises';

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

/** Whether a person sits at the other end. */
export function isTerminal(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Asks on the terminal. Ctrl-C ends the question as it ends the verb. @throws the signal's reason. */
export async function ask(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // In raw mode Ctrl-C is a key, and no signal.
  lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    return (await lines.question(question, { signal })).trim();
  } finally {
    lines.close();
  }
}
