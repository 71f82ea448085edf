import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './project.mjs';
import { RunError } from './run.mjs';
import { SetUpError } from './set-up-error.mjs';
import { stampOf } from './stamp.mjs';

const compiler = join(root, 'node_modules/typescript/bin/tsc');
const nestCli = join(root, 'node_modules/@nestjs/cli/bin/nest.js');
const bridge = 'packages/prisma-schema-engine-bridge';

const stamp = stampOf(
  'build',
  {
    paths: [
      'nest-cli.json',
      'package-lock.json',
      bridge,
      'prisma/schema.prisma',
      'scripts/bundle.mjs',
      'src',
      'tsconfig.build.json',
      'tsconfig.json',
    ],
    isLeftOut: (path) => path === 'src/generated' || path === `${bridge}/dist`,
  },
  { paths: ['dist', `${bridge}/dist`], isLeftOut: (path) => path === 'dist/.tsbuildinfo' },
);

/**
 * Node.js 20.19.0 to 20.19.4 and 22.12 report the way the Nest CLI loads `ora` as a cycle ("Cannot require() ES
 * Module … in a cycle"), unless `ora` is loaded already.
 */
const preload = () => (existsSync(join(root, 'node_modules/ora')) ? ['--import', 'ora'] : []);

/** @type {import('./set-up.mjs').Step} */
export const build = {
  title: 'build (nest build)',
  isDone: stamp.isValid,
  async perform(run) {
    try {
      await run(process.execPath, [compiler, '--project', join(root, bridge)]);
      await run(process.execPath, [...preload(), nestCli, 'build']);
      await run(process.execPath, [join(root, 'scripts/bundle.mjs')]);
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      throw new SetUpError(
        'building packages and src',
        error.excerpt,
        'correct the source (`npm run typecheck` lists every error), then run the same command again.',
      );
    }
    stamp.write();
  },
};
