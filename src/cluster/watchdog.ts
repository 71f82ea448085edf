import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { UserIds } from './unprivileged-user.js';

/**
 * Runs PostgreSQL until it ends, or until standard input closes.
 *
 * The kernel closes that pipe when pgkeep ends in any way, kill -9 included: no cluster outlives its parent.
 * A shell and not a Node process, because it waits for as long as the service runs and costs 1 MB.
 * First a fast shutdown (SIGINT); after ten seconds an immediate one (SIGQUIT).
 */
const SCRIPT = `
trap '' INT TERM HUP
exec 3<&0
"$@" 3<&- &
postgres=$!
{
  read -r _
  kill -INT $postgres
  for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 1; kill -0 $postgres || exit; done
  kill -QUIT $postgres
} <&3 >/dev/null 2>&1 &
reader=$!
wait $postgres
kill -9 $reader
`;

/** Spawns a PostgreSQL server that dies with this process. Ending the child's stdin stops it, too. */
export function spawnWatched(
  argv: readonly string[],
  options: { env: Record<string, string | undefined>; logFile: string; user: UserIds | undefined },
): ChildProcess {
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    return spawn('/bin/sh', ['-c', SCRIPT, 'pgkeep-watchdog', ...argv], {
      env: options.env,
      stdio: ['pipe', log, log],
      // A session of its own: Ctrl-C in the terminal reaches the service, which then ends this in order.
      detached: true,
      ...options.user,
    });
  } finally {
    closeSync(log);
  }
}
