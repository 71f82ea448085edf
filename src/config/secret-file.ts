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

/** A value that a file holds and that may be replaced while the program runs. */
export interface FileValue<T> {
  /** The value as the file has it now; the last usable one where the file cannot be used. */
  readonly latest: () => T;
  /** What is wrong with the file, completing "NAME_FILE …"; undefined where nothing is. */
  readonly fault: () => string | undefined;
}

/**
 * Reads a file again whenever its value is asked for: a rotated secret needs no restart, also where Kubernetes swaps a
 * link to the whole directory. What is empty, malformed or missing is not taken, because a file may be read while
 * something writes it.
 * @param first what the file held at the start
 * @param parse throws where the text is not usable; its message must not quote the text
 */
export function fileValue<T>(file: string, first: string, parse: (text: string) => T): FileValue<T> {
  let text = first;
  let value = parse(first);
  let fault: string | undefined;
  const refresh = (): void => {
    const read = readSecretFile(file);
    fault = 'problem' in read ? read.problem : undefined;
    if ('problem' in read || read.text === text) return;
    try {
      if (read.text === '') throw new Error('it is empty');
      value = parse(read.text);
      text = read.text;
    } catch (error) {
      fault = `holds a value that is not usable: ${messageOf(error)}`;
    }
  };
  return {
    latest: () => {
      refresh();
      return value;
    },
    fault: () => {
      refresh();
      return fault;
    },
  };
}
