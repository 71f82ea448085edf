import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { errorCode } from '../errors.js';
import { ErrorOutput, ProgramFailure } from './program-failure.js';

/** How long a program may take to shut down (pg_dump cancels its query) before it is killed. */
const GRACE_MS = 3000;

export interface ProgramOptions {
  /** The child's complete environment; secrets are passed here, never in argv. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborting it ends the program and everything that the program started. */
  readonly signal: AbortSignal;
  /** Receives everything that it writes to stderr; by default only the end is kept. */
  readonly onErrorOutput?: (text: string) => void;
}

/** How a program ended, and the end of what it wrote to stderr. */
export interface ProgramEnd {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderrTail: string;
}

/** A program that runs, its standard streams open. */
export interface RunningProgram {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Settles when the program has ended and its streams are closed; never rejects. */
  readonly ended: Promise<ProgramEnd>;
}

/**
 * Starts one program without a shell, in its own process group: Ctrl-C reaches pgkeep alone, which then shuts the
 * group down.
 * @throws the system's error when the program cannot be started at all; the signal's reason when it is aborted.
 */
export async function startProgram(
  binary: string,
  argv: readonly string[],
  { env, signal, onErrorOutput }: ProgramOptions,
): Promise<RunningProgram> {
  signal.throwIfAborted();
  const child = spawn(binary, argv, { env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const errors = new ErrorOutput();
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors.add(text);
    onErrorOutput?.(text);
  });
  // Node.js discards unread output when a program ends, and a short one may end before reading begins.
  const stdout = child.stdout.pipe(new PassThrough());
  // A reader that stops early leaves output in the pipe, and `close` would never be emitted.
  stdout.once('close', () => child.stdout.destroy());
  // A program that ends before it read everything breaks the pipe; its exit code says why.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.once('close', (exitCode, endedBy) =>
      resolve({ exitCode, signal: endedBy, stderrTail: errors.tail }),
    );
  });
  await once(child, 'spawn');
  const group = child.pid;
  if (group !== undefined) {
    const stop = endGroupOnAbort(group, signal);
    void ended.then(stop);
  }
  return { stdin: child.stdin, stdout, ended };
}

/** @throws ProgramFailure unless the program ended with exit code 0. */
export async function requireSuccess(program: string, running: RunningProgram): Promise<void> {
  const end = await running.ended;
  if (end.exitCode !== 0) throw new ProgramFailure(program, end);
}

/**
 * Yields what a program writes to stdout. It ends only after the program succeeded, so that the output of a killed
 * program is never stored as complete.
 * @throws ProgramFailure at the end of the output of a program that failed.
 */
export async function* outputOf(program: string, running: RunningProgram): AsyncGenerator<Buffer> {
  for await (const chunk of running.stdout) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
  await requireSuccess(program, running);
}

/** Ends a process group when the signal is aborted. @returns what removes the listener. */
function endGroupOnAbort(group: number, signal: AbortSignal): () => void {
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    signalGroup(group, 'SIGTERM');
    timer = setTimeout(() => signalGroup(group, 'SIGKILL'), GRACE_MS);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return () => {
    signal.removeEventListener('abort', onAbort);
    clearTimeout(timer);
  };
}

function signalGroup(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name);
  } catch (error) {
    // It has already ended.
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
