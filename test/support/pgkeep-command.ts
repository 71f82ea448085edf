import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** How a command ended, and everything it wrote. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command (`dist/cli.js`) as a user would, in an environment of its own. */
export async function pgkeep(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  workingDirectory: string = process.cwd(),
): Promise<CommandResult> {
  const child = spawn(process.execPath, [path.resolve('dist/cli.js'), ...argv], {
    cwd: workingDirectory,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  return { exitCode: child.exitCode, stdout, stderr };
}
