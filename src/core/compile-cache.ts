import { mkdirSync, statSync } from 'node:fs';
import nodeModule from 'node:module';
import { homedir } from 'node:os';
import path from 'node:path';

/** The module of Node.js, with what 22.8 and later add to that of the oldest version that pgkeep runs on. */
const node: Pick<typeof nodeModule, 'builtinModules'> & {
  readonly enableCompileCache?: (directory: string) => unknown;
  readonly flushCompileCache?: () => void;
  readonly getCompileCacheDir?: () => string | undefined;
} = nodeModule;

/**
 * Keeps compiled code between starts, where Node.js can (22.8 and later): in `~/.cache/pgkeep/compile-cache`. A start
 * only becomes faster by it, so nothing here fails. `NODE_COMPILE_CACHE` names another directory, and
 * `NODE_DISABLE_COMPILE_CACHE=1` switches it off; Node.js reads both.
 */
export function enableCompileCache(): void {
  if (node.enableCompileCache === undefined || node.getCompileCacheDir?.() !== undefined) return;
  const directory = privateDirectory();
  if (directory !== undefined) node.enableCompileCache(directory);
}

/** Writes what was compiled since the start: Node.js does so only when the process ends, and a service may be killed. */
export function flushCompileCache(): void {
  node.flushCompileCache?.();
}

/**
 * Returns a directory that only this user can write: whoever writes into a compile cache decides what runs. Undefined
 * where there is none, such as with a read-only or a foreign home directory.
 */
function privateDirectory(): string | undefined {
  try {
    const home = homedir();
    const directory = path.join(home, '.cache', 'pgkeep', 'compile-cache');
    if (!isPrivate(home)) return undefined;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return isPrivate(directory) ? directory : undefined;
  } catch {
    return undefined;
  }
}

function isPrivate(directory: string): boolean {
  const { uid, mode } = statSync(directory);
  return (process.getuid === undefined || uid === process.getuid()) && (mode & 0o022) === 0;
}
