import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { errorCode } from '../core/errors.js';
import type { UserIds } from './data-directory.js';

/** What a running server writes into `postmaster.pid` (PostgreSQL source: miscadmin.h, LOCK_FILE_LINE_*). */
export interface PostmasterFile {
  readonly pid: number;
  /** Seconds since 1970, as text: together with the pid, it identifies one run of the server. */
  readonly startedAt: string;
  readonly port: number;
  readonly ready: boolean;
}

/** Reads `postmaster.pid` of a data directory; undefined where it does not exist or is incomplete. */
export function readPostmasterFile(dataDirectory: string): PostmasterFile | undefined {
  const file = path.join(dataDirectory, 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const [pid, , startedAt, port, , , , state] = readFileSync(file, 'utf8').split('\n');
  if (!pid || !startedAt) return undefined;
  return { pid: Number(pid), startedAt, port: Number(port), ready: state?.trim() === 'ready' };
}

/** Returns whether a process of that id runs and is PostgreSQL (where the system shows its name). */
export function isPostgresRunning(pid: number): boolean {
  const name = `/proc/${pid}/comm`;
  if (existsSync('/proc/self/comm'))
    return existsSync(name) && readFileSync(name, 'utf8').trim() === 'postgres';
  return isRunning(pid);
}

/** Returns whether a process of that id runs. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, as another user.
    return errorCode(error) === 'EPERM';
  }
}

/**
 * Runs PostgreSQL until it ends, or until standard input closes.
 *
 * The kernel closes that pipe when pgkeep ends in any way, kill -9 included: no cluster outlives its parent.
 * A shell and not a Node.js process, because it waits as long as the service runs and takes 1 MB.
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

/** Spawns a PostgreSQL server that ends with this process. Closing the child's stdin stops it too. */
export function spawnWatched(
  argv: readonly string[],
  options: { env: Record<string, string | undefined>; logFile: string; user: UserIds | undefined },
): ChildProcess {
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    return spawn('/bin/sh', ['-c', SCRIPT, 'pgkeep-watchdog', ...argv], {
      env: options.env,
      stdio: ['pipe', log, log],
      // A separate session: Ctrl-C in the terminal reaches the service, which then shuts this down.
      detached: true,
      ...options.user,
    });
  } finally {
    closeSync(log);
  }
}

/** Returns a free TCP port on loopback: `preferred` where it is free, else one that the system picks. */
export async function freePort(preferred = 0): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      if (preferred === 0) reject(error);
      else resolve(freePort());
    });
    server.listen(preferred, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
