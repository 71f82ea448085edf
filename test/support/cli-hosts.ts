import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterAll } from '@jest/globals';
import type { Environment } from '../../src/config/read-settings.js';

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandLine {
  readonly argv: readonly string[];
  readonly environment: Environment;
  readonly directory: string;
}

const PROGRAM = path.resolve('test/support/cli-host.mjs');

/**
 * Command lines that need a separate process: it reads these variables when it starts, or passes its streams to a
 * child.
 */
const START_VARIABLES = ['NODE_OPTIONS', 'LD_PRELOAD', 'TZ', 'NODE_EXTRA_CA_CERTS'];
const PROCESS_VERBS = ['prisma', 'serve', 'migrate create'];

/** Idle processes that have loaded the program. */
const idle: ChildProcess[] = [];
const all = new Set<ChildProcess>();

afterAll(() => {
  for (const host of all) if (host.connected) host.disconnect();
});

/** Whether a command line has the same result in a host as in a new process. */
export function canRunInHost({ argv, environment }: CommandLine): boolean {
  const verb = argv.filter((word) => !word.startsWith('-')).join(' ');
  return (
    !START_VARIABLES.some((name) => environment[name] !== undefined) &&
    !PROCESS_VERBS.some((own) => `${verb} `.startsWith(`${own} `))
  );
}

/** Runs a command line in a process that has loaded the built program already, one command line at a time. */
export async function runInHost(line: CommandLine, deadlineMs: number): Promise<CommandResult> {
  const host = idle.pop() ?? (await startHost());
  const late = setTimeout(() => host.kill('SIGKILL'), deadlineMs);
  const listening = new AbortController();
  const { signal } = listening;
  const answered = once(host, 'message', { signal }).then(([result]: CommandResult[]) => result);
  const ended = once(host, 'exit', { signal }).then(() => undefined);
  try {
    host.send(line);
    const result = await Promise.race([answered, ended]);
    if (!result)
      throw new Error(
        `pgkeep ${line.argv.join(' ')}: its process ended, or was killed after ${deadlineMs} ms`,
      );
    idle.push(host);
    return result;
  } finally {
    clearTimeout(late);
    listening.abort();
    await Promise.allSettled([answered, ended]);
  }
}

async function startHost(): Promise<ChildProcess> {
  const host = fork(PROGRAM, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] });
  all.add(host);
  await once(host, 'message');
  return host;
}
