import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { root } from './project.mjs';
import { run } from './run.mjs';

/** The newest Node.js that the tests run on. Change it here. */
const VERSION = '24.21.0';

/**
 * Fetches a newer Node.js into `.pgkeep/node-VERSION`, from the npm package of its binary, without installing anything.
 *
 * @returns {Promise<string>} the path of the program
 */
export async function fetchNewerNode() {
  const name = `node-${process.platform}-${process.arch}`;
  const directory = path.join(root, '.pgkeep', `node-${VERSION}`);
  const program = path.join(directory, 'node_modules', name, 'bin', 'node');
  if (existsSync(program)) return program;
  const unfinished = `${directory}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const flags = ['--no-audit', '--no-fund', '--no-save', '--no-package-lock', '--ignore-scripts'];
  await run('npm', ['install', '--prefix', unfinished, ...flags, `${name}@${VERSION}`]);
  rmSync(directory, { recursive: true, force: true });
  renameSync(unfinished, directory);
  return program;
}
