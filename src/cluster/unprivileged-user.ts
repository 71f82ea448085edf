import { chownSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { PgkeepError } from '../core/errors.js';

/** Numeric ids that a child process can run as. */
export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user PostgreSQL's programs run as: undefined (ourselves) for an ordinary user; for root, whom they
 * refuse, the system's `postgres` or else `nobody`.
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
      'PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody.',
      {
        hint: 'Run pgkeep as an ordinary user, or set DATABASE_URL to a PostgreSQL that runs elsewhere.',
      },
    );
  }
  return { uid: Number(account[2]), gid: Number(account[3]) };
}

/** Makes a directory that only the given user (or ourselves) can enter. */
export function makePrivateDirectory(directory: string, user: UserIds | undefined): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (user) chownSync(directory, user.uid, user.gid);
}

/** Whether a user other than root can reach a directory: all its parents let others pass. */
export function isReachable(directory: string): boolean {
  for (let parent = path.resolve(directory); ; parent = path.dirname(parent)) {
    if ((statSync(parent).mode & 0o001) === 0) return false;
    if (parent === path.dirname(parent)) return true;
  }
}
