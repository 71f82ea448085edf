import { spawn } from 'node:child_process';
import { ErrorOutput } from './error-output.js';

export interface RunOptions {
  /** The child's whole environment; secrets travel here, never in argv. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** User and group the child runs as. Only root can give them. */
  readonly uid?: number;
  readonly gid?: number;
}

/** How a child ended, and the end of what it wrote to stderr. */
export interface RunResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderrTail: string;
}

/**
 * Runs one program without a shell and waits for its end. A failing exit code is a result, not an error.
 * @throws the system's error when the program cannot be started at all.
 */
export async function run(binary: string, argv: readonly string[], options: RunOptions): Promise<RunResult> {
  return await new Promise((resolve, reject) => {
    const child = spawn(binary, argv, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    const errors = new ErrorOutput();
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => errors.add(text));
    child.once('error', reject);
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, stdout, stderrTail: errors.tail }));
  });
}
