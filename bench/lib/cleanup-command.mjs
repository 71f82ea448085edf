import { spawn } from 'node:child_process';

const SCRIPT = 'trap "" INT TERM HUP; read -r _; "$@"';

/**
 * Runs a command after this process has ended in any way, kill -9 included: a shell waits for its input to close.
 *
 * @param {string} command
 * @param {readonly (string | number)[]} args
 * @returns {() => void} cancels it
 */
export function cleanUpAfterExit(command, args) {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'pgkeep-bench', command, ...args.map(String)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  return () => void shell.kill('SIGKILL');
}
