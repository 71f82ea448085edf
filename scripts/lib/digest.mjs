import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './project.mjs';

/**
 * Returns one digest of the names and contents of files, directories with everything in them. A path that does not
 * exist counts as missing.
 *
 * @param {readonly string[]} paths relative to the root
 * @param {(path: string) => boolean} [isLeftOut]
 */
export function digest(paths, isLeftOut = () => false) {
  const hash = createHash('sha256');
  /** @param {string} path */
  const add = (path) => {
    if (isLeftOut(path)) return;
    const stats = statSync(join(root, path), { throwIfNoEntry: false });
    if (stats?.isDirectory()) {
      for (const name of readdirSync(join(root, path)).toSorted()) add(`${path}/${name}`);
    } else {
      const content = stats?.isFile() ? readFileSync(join(root, path)) : undefined;
      hash.update(`${path}\0${content?.length ?? 'missing'}\0`);
      if (content !== undefined) hash.update(content);
    }
  };
  for (const path of paths) add(path);
  return hash.digest('hex');
}
