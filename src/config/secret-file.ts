import { readFileSync, statSync } from 'node:fs';
import { errorCode, messageOf } from '../core/errors.js';
import type { Environment } from './read-settings.js';

/** A secret is one line. A larger file was named by mistake. */
const LARGEST_SECRET = 65_536;

/** What is wrong with one setting, or with several together: subject and problem make a sentence. */
export interface Fault {
  readonly subject: string;
  readonly problem: string;
}

/** The text of a variable, and the file that it was read from if there is one. */
export interface VariableText {
  readonly text: string | undefined;
  readonly file?: string;
}

/** A value from a file that may be replaced while the program runs. */
export interface FileValue<T> {
  /** Returns the value in the file now, or the last usable one if the file cannot be used. */
  readonly latest: () => T;
  /** Returns what is wrong with the file, completing "NAME_FILE …"; undefined if nothing is. */
  readonly fault: () => string | undefined;
}

/**
 * Reads a variable, or the file that `NAME_FILE` names. An empty value counts as unset. A fault is returned instead of
 * thrown, so that one message can list all faults.
 */
export function readVariable(environment: Environment, name: string): VariableText | Fault {
  const direct = environment[name]?.trim() || undefined;
  const file = environment[`${name}_FILE`]?.trim() || undefined;
  if (file === undefined) return { text: direct };
  if (direct !== undefined) {
    return { subject: name, problem: `is set twice, directly and by ${name}_FILE: keep one` };
  }
  const read = readSecretFile(file);
  if ('problem' in read) return { subject: `${name}_FILE`, problem: read.problem };
  return { text: read.text || undefined, file };
}

/**
 * Reads a file again whenever its value is used, so that a rotated secret needs no restart, also if Kubernetes swaps a
 * link to the directory. Empty, malformed and missing files are ignored, because a file may be read while it is
 * written.
 * @param first what the file contained at the start
 * @param parse throws if the text cannot be used; its message must not quote the text
 */
export function followFile<T>(file: string, first: string, parse: (text: string) => T): FileValue<T> {
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
      fault = `contains an invalid value: ${messageOf(error)}`;
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

/** Reads a file without the newline that editors put at its end. */
function readSecretFile(file: string): { text: string } | { problem: string } {
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

/** Returns the path only if it looks like one: the secret itself may have been put in its place. */
function shown(file: string): string {
  return /^\.{0,2}\//.test(file) ? ` (${file})` : '';
}
