import { randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { PgkeepError } from '../core/errors.js';
import { run } from '../core/process/run.js';
import type { PostgresBinaries } from './postgres-binaries.js';

/** Returns the file of the superuser's password: in the data directory, so that both are removed together. */
export function passwordFile(dataDirectory: string): string {
  return path.join(dataDirectory, 'pgkeep-password');
}

/** Returns the environment of PostgreSQL's programs: nothing of this process's. */
export function serverEnvironment({ libraryPath }: PostgresBinaries): Record<string, string | undefined> {
  return { PATH: '/usr/bin:/bin', TZ: 'UTC', LC_ALL: 'C', LD_LIBRARY_PATH: libraryPath };
}

/** Returns the end of what a program of PostgreSQL printed, as an error. */
export function clusterFailure(what: string, directory: string, output: string): PgkeepError {
  const tail = output.trim().split('\n').slice(-5).join('\n');
  return new PgkeepError('CLUSTER_FAILED', `${what} (${directory}):\n${tail}`, {
    hint: `Read the server's log: ${path.join(directory, 'postgres.log')}`,
  });
}

/**
 * Creates a data directory with a random password: in a temporary directory, then renamed, so that an interrupted
 * initdb leaves nothing behind. Of two concurrent calls, the first wins.
 * @throws PgkeepError `CLUSTER_FAILED`.
 */
export async function makeDataDirectory(
  dataDirectory: string,
  options: { binaries: PostgresBinaries; superuser: string; user: UserIds | undefined },
): Promise<void> {
  const { binaries, superuser, user } = options;
  const directory = path.dirname(dataDirectory);
  const aside = mkdtempSync(path.join(directory, 'making-'));
  const password = path.join(aside, 'password');
  const data = path.join(aside, 'data');
  try {
    writeFileSync(password, randomBytes(18).toString('hex'), { mode: 0o600 });
    if (user) for (const made of [aside, password]) chownSync(made, user.uid, user.gid);
    const result = await run(
      path.join(binaries.bin, 'initdb'),
      ['-D', data, '-U', superuser, `--pwfile=${password}`]
        .concat(['-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C'])
        .concat(['--no-sync', '--no-instructions']),
      { env: serverEnvironment(binaries), cwd: directory, ...user },
    );
    if (result.exitCode !== 0) {
      throw clusterFailure('initdb failed', directory, result.stderrTail);
    }
    renameSync(password, passwordFile(data));
    renameSync(data, dataDirectory);
  } catch (error) {
    if (!existsSync(passwordFile(dataDirectory))) throw error;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/** Numeric ids that a child process can run as. */
export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Returns the user to run PostgreSQL's programs as: undefined (this user), or for root, which they refuse, the system's
 * `postgres` or else `nobody`.
 */
export function unprivilegedUser(): UserIds | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const account =
    accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody');
  if (!account) {
    throw new PgkeepError(
      'CLUSTER_FAILED',
      'Cannot start PostgreSQL: it refuses to run as root, and this machine has no user postgres or nobody.',
      {
        hint: 'Run pgkeep as an ordinary user, or set DATABASE_URL to a PostgreSQL that runs elsewhere.',
      },
    );
  }
  return { uid: Number(account[2]), gid: Number(account[3]) };
}

/** Creates a directory that only the given user (or this one) can enter. */
export function makePrivateDirectory(directory: string, user: UserIds | undefined): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (user) chownSync(directory, user.uid, user.gid);
}

/** Returns whether a user other than root can reach a directory through all its parents. */
export function isReachable(directory: string): boolean {
  for (let parent = path.resolve(directory); ; parent = path.dirname(parent)) {
    if ((statSync(parent).mode & 0o001) === 0) return false;
    if (parent === path.dirname(parent)) return true;
  }
}
