import { userInfo } from 'node:os';
import { root } from './project.mjs';

/** A failure with the operation, the cause and the next step. */
export class SetUpError extends Error {
  /**
   * @param {string} operation with its subject: `npm ci in /srv/pgkeep`
   * @param {string} cause may have many lines
   * @param {string} hint the next step
   */
  constructor(operation, cause, hint) {
    super(`${operation}: ${cause}`);
    this.name = 'SetUpError';
    this.operation = operation;
    this.cause = cause;
    this.hint = hint;
  }

  /** The message for a terminal. */
  toText() {
    const cause = this.cause.trim().split('\n').join('\n    ');
    return `pgkeep set-up failed: ${this.operation}\n\n    ${cause}\n\nNext: ${this.hint}\n`;
  }
}

/**
 * The next step when a file or directory cannot be written.
 *
 * @param {string} code of the file system's error
 */
export function fileSystemHint(code) {
  const again = 'then run the same command again';
  if (code === 'ENOSPC' || code === 'EDQUOT') return `free some space (\`df -h '${root}'\`), ${again}.`;
  if (code === 'EROFS') return `mount ${root} writable, or clone to a writable file system, ${again}.`;
  const user = process.getuid === undefined ? userName() : `${userName()} (${process.getuid()})`;
  return (
    `${root} must be writable for user ${user}: clone it again as that user, or give it to that user ` +
    `(as root: \`chown -R ${process.getuid?.() ?? 'USER'} '${root}'\`), ${again}.`
  );
}

/** A user id without an entry in the password file (containers) has no name. */
function userName() {
  try {
    return userInfo().username;
  } catch {
    return 'without a name';
  }
}

export const fileSystemCauses = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
};

/**
 * Explains an error of the file system; returns anything else as it is.
 *
 * @param {unknown} error
 */
export function explained(error) {
  if (error instanceof SetUpError || !(error instanceof Error)) return error;
  const { code, path, syscall } = error;
  const cause = fileSystemCauses[code];
  if (cause === undefined) return error;
  return new SetUpError(`${syscall} ${path}`, `${code}: ${cause}`, fileSystemHint(code));
}
