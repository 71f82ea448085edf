import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { digest } from './digest.mjs';
import { root } from './project.mjs';

/** Is inside node_modules and removed with them: what other package versions generated is generated again. */
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
 * Records digests of the inputs and outputs of a generated directory, so that it is generated again when either
 * changes.
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
