import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Environment } from '../../src/config/read-settings.js';
import { canRunInHost, runInHost, type CommandResult } from './cli-hosts.js';
import { secretsOf, Transcript } from './transcript.js';
import { until } from './until.js';

const DIST = path.resolve('dist');

/** How long a command line, or the start of the service, may take on a loaded machine. */
const DEADLINE_MS = 60_000;

export interface ProcessOptions {
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** An empty directory to start a program in: no `.env`, no `.pgkeep`. */
export function emptyDirectory(): string {
  return mkdtempSync(path.join(tmpdir(), 'pgkeep-cwd-'));
}

/** `node dist/main.js` or `node dist/cli.js` in a new process with exactly this environment. */
export class PgkeepProcess {
  readonly transcript: Transcript;
  stdout = '';
  stderr = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown[]>;

  constructor(
    program: 'main' | 'cli',
    argv: readonly string[],
    environment: Environment,
    { cwd = emptyDirectory(), ...user }: ProcessOptions = {},
  ) {
    this.transcript = new Transcript(secretsOf(environment));
    const child = spawn(process.execPath, [path.join(DIST, `${program}.js`), ...argv], {
      cwd,
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.child = child;
    this.ended = once(child, 'close');
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The command line of this process in the process list, where the system shows it. */
  get commandLine(): string {
    const file = `/proc/${this.pid}/cmdline`;
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Waits until the service logs that it listens. @returns its URL. */
  async listening(): Promise<string> {
    let url: string | undefined;
    await until(
      () => {
        url = /listening on (http:\/\/[^"\s]+)/.exec(this.stderr)?.[1];
        return url !== undefined || !this.isRunning;
      },
      DEADLINE_MS,
      'a service that listens',
    );
    this.transcript.add(this.commandLine);
    if (!url) throw new Error(`the service ended:\n${this.stdout}${this.stderr}`);
    return url;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Waits for the end; fails if it does not end or has printed a secret. @returns exit code and signal. */
  async end(deadlineMs = DEADLINE_MS): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const deadline = setTimeout(() => {
      this.stderr += '(killed by the test: it should have ended by itself)';
      this.child.kill('SIGKILL');
    }, deadlineMs);
    await this.ended;
    clearTimeout(deadline);
    this.transcript.add(this.stdout, this.stderr);
    this.transcript.expectNoSecret();
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }

  /** Kills it in any state, for a test's cleanup. */
  async kill(): Promise<void> {
    if (this.isRunning) this.child.kill('SIGKILL');
    await this.ended;
  }
}

/** Runs the executable `pgkeep ARGV`, in a new process, to its end. */
export async function runExecutable(
  argv: readonly string[],
  environment: Environment,
  options?: ProcessOptions,
): Promise<CommandResult> {
  const cli = new PgkeepProcess('cli', argv, environment, options);
  const { code } = await cli.end();
  return { code, stdout: cli.stdout, stderr: cli.stderr };
}

/**
 * Runs `pgkeep ARGV` to its end: the built program, in a process that may have run other command lines before, which
 * saves half a second of loading. Fails if a secret of the environment was printed.
 */
export async function runCli(
  argv: readonly string[],
  environment: Environment,
  options: ProcessOptions = {},
): Promise<CommandResult> {
  const { cwd = emptyDirectory(), uid, gid } = options;
  const line = { argv, environment: { PATH: process.env['PATH'], ...environment }, directory: cwd };
  if (uid !== undefined || gid !== undefined || !canRunInHost(line)) {
    return await runExecutable(argv, environment, options);
  }
  const result = await runInHost(line, DEADLINE_MS);
  const transcript = new Transcript(secretsOf(environment));
  transcript.add(result.stdout, result.stderr);
  transcript.expectNoSecret();
  return result;
}
