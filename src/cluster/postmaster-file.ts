import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { errorCode } from '../core/errors.js';

/** What a running server writes into `postmaster.pid` (PostgreSQL source: miscadmin.h, LOCK_FILE_LINE_*). */
export interface PostmasterFile {
  readonly pid: number;
  /** Seconds since 1970, as text: with the pid it tells one server's run from another's. */
  readonly startedAt: string;
  readonly port: number;
  readonly ready: boolean;
}

/** Reads `postmaster.pid` of a data directory; undefined where there is none, or only a part of it yet. */
export function readPostmasterFile(dataDirectory: string): PostmasterFile | undefined {
  const file = path.join(dataDirectory, 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const [pid, , startedAt, port, , , , state] = readFileSync(file, 'utf8').split('\n');
  if (!pid || !startedAt) return undefined;
  return { pid: Number(pid), startedAt, port: Number(port), ready: state?.trim() === 'ready' };
}

/** Whether a process of that id runs and is PostgreSQL (where the system can tell). */
export function isPostgresRunning(pid: number): boolean {
  const name = `/proc/${pid}/comm`;
  if (existsSync('/proc/self/comm'))
    return existsSync(name) && readFileSync(name, 'utf8').trim() === 'postgres';
  return isRunning(pid);
}

/** Whether a process of that id runs. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, as another user.
    return errorCode(error) === 'EPERM';
  }
}
