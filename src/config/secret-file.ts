import { readFileSync, statSync } from 'node:fs';
import { errorCode, messageOf } from '../core/errors.js';

/** A secret is a line, not a log: what is larger is somebody's mistake. */
const LARGEST_SECRET = 65_536;

/**
 * Reads a secret that an orchestrator mounted as a file (Docker and Kubernetes secrets), without the newline
 * that editors put at its end. A fault is returned, not thrown, so that all faults are told at once.
 */
export function readSecretFile(file: string): { text: string } | { problem: string } {
  try {
    const stats = statSync(file);
    if (stats.isDirectory()) return { problem: `names a directory, not a file (${file})` };
    if (stats.size > LARGEST_SECRET)
      return { problem: `names a file of ${stats.size} bytes, too large for a secret (${file})` };
    return { text: readFileSync(file, 'utf8').trim() };
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return { problem: `names a file that does not exist${shown(file)}` };
    if (code === 'EACCES') return { problem: `names a file that this user may not read${shown(file)}` };
    return { problem: `names a file that cannot be read: ${code ?? messageOf(error)}${shown(file)}` };
  }
}

/** The path, where it looks like one: somebody may have put the secret itself in its place. */
function shown(file: string): string {
  return /^\.{0,2}\//.test(file) ? ` (${file})` : '';
}
