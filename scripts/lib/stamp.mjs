import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { digest } from './digest.mjs';
import { root } from './project.mjs';

/** Lives inside node_modules, so that it is gone when they are: what other packages made is made again. */
const file = join(root, 'node_modules', '.cache', 'pgkeep-setup.json');

/** @returns {Record<string, string>} */
function read() {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}

/**
 * Remembers what a generated directory was made of and what came out, so that it is made again when either
 * changes, whoever changed it.
 *
 * @param {string} name
 * @param {{paths: readonly string[], isLeftOut?: (path: string) => boolean}} inputs
 * @param {{paths: readonly string[], isLeftOut?: (path: string) => boolean}} outputs
 */
export function stampOf(name, inputs, outputs) {
  const value = () => `${digest(inputs.paths, inputs.isLeftOut)} ${digest(outputs.paths, outputs.isLeftOut)}`;
  return {
    isValid: () => read()[name] === value(),
    write() {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(`${file}.new`, `${JSON.stringify({ ...read(), [name]: value() }, null, 2)}\n`);
      renameSync(`${file}.new`, file);
    },
  };
}
