import { messageOf } from '../core/errors.js';
import { readSecretFile } from './secret-file.js';

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
