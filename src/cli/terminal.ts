import { createInterface } from 'node:readline/promises';

/** Where a command writes: answers to stdout, everything else to stderr. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** The progress line at the bottom; undefined if stderr is not a terminal. */
  readonly live?: LiveLine | undefined;
}

export interface LiveLine {
  readonly columns: () => number;
  /** Replaces the line. */
  readonly draw: (text: string) => void;
}

/** Escape sequences: return to the start of the line, erase the rest of it. */
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
