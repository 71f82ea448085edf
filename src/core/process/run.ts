import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { messageOf, PgkeepError } from '../errors.js';
import { handOverSignals } from './early-signals.js';
import { ErrorOutput } from './program-failure.js';

export interface RunOptions {
  /** The child's complete environment; secrets are passed here, never in argv. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** User and group the child runs as. Only root can give them. */
  readonly uid?: number;
  readonly gid?: number;
  /** Aborting it ends the program. */
  readonly signal?: AbortSignal;
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
 * @throws the system's error when the program cannot be started at all; an `AbortError` when it is aborted.
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

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs one program on the terminal of this process and waits for its end. Ctrl-C reaches it from the terminal; SIGTERM
 * and SIGHUP are forwarded.
 * @param output where its stdout goes: a caller that prints its own answer keeps stdout for that
 * @returns its exit code; 128 and the signal's number where a signal ended it.
 * @throws the system's error when the program cannot be started at all.
 */
export async function runInherited(
  binary: string,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  output: 'stdout' | 'stderr' = 'stdout',
): Promise<number> {
  return await new Promise((resolve, reject) => {
    const child = spawn(binary, argv, {
      env,
      stdio: ['inherit', output === 'stdout' ? 'inherit' : process.stderr.fd, 'inherit'],
    });
    const passers = SIGNALS.map((signal) => ({
      signal,
      pass: () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)),
    }));
    handOverSignals();
    for (const { signal, pass } of passers) process.on(signal, pass);
    const settle = (): void => {
      for (const { signal, pass } of passers) process.off(signal, pass);
    };
    child.once('error', (error) => {
      settle();
      reject(error);
    });
    child.once('close', (exitCode, signal) => {
      settle();
      resolve(exitCode ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}

/**
 * Runs git in a directory and returns what it printed. It takes no lock: it may run beside the user's own git.
 * @param operation completes "Cannot …"
 * @throws PgkeepError `USAGE_INVALID` with git's own words: no repository, no such reference, no git.
 */
export async function git(
  operation: string,
  argv: readonly string[],
  { directory, searchPath, hint }: { directory: string; searchPath: string; hint?: string },
): Promise<string> {
  const env = { PATH: searchPath, LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0' };
  const result = await run('git', ['-C', directory, ...argv], { env }).catch((cause: unknown) => {
    throw new PgkeepError('USAGE_INVALID', `Cannot run git: ${messageOf(cause)}.`, { cause });
  });
  if (result.exitCode === 0) return result.stdout;
  throw new PgkeepError(
    'USAGE_INVALID',
    `Cannot ${operation}. git: ${messageOf({ message: result.stderrTail })}`,
    hint === undefined ? {} : { hint },
  );
}
