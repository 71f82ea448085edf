// Bundles the service, after the compiler has written dist/. What the service needs until its first answer becomes one
// file instead of 180: finding and linking that many costs an eighth of its start. What it loads on demand becomes files
// beside it, so that every module exists once in the process. Packages stay outside, and so do the library's entries,
// which applications import.
//
// dist/service/start.js is replaced by the bundle's entry; the other files of dist/ stay as the compiler wrote them.
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { root } from './lib/project.mjs';

const dist = join(root, 'dist');
const entry = join(dist, 'service', 'start.js');

/**
 * Holds state that `main.js` and `cli.js` set before they load the service, so it stays one module. Every file of the
 * bundle is two levels below the package, as src/core/package-file.ts expects.
 */
const EARLY_SIGNALS = '../core/process/early-signals.js';

const bundle = await rolldown({
  input: { 'service/start': entry },
  cwd: root,
  platform: 'node',
  external: (id) => !/^[./]/.test(id),
  plugins: [
    {
      name: 'early signals',
      resolveId: (id) =>
        id.endsWith('/early-signals.js') ? { id: EARLY_SIGNALS, external: 'absolute' } : undefined,
    },
  ],
  // Among them: an import on demand of what is loaded anyway.
  onLog(_level, { message }) {
    throw new Error(message);
  },
});
await bundle.write({
  dir: dist,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'bundle/[name].js',
  // For `NODE_OPTIONS=--enable-source-maps`; not the default, because that costs a start 10 ms.
  sourcemap: true,
  sourcemapExcludeSources: true,
  keepNames: true,
  codeSplitting: {
    groups: [{ name: 'service', test: (id) => id === entry, includeDependenciesRecursively: true }],
  },
});
await bundle.close();
