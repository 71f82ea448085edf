import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './project.mjs';
import { RunError } from './run.mjs';
import { SetUpError } from './set-up-error.mjs';
import { stampOf } from './stamp.mjs';

const stamp = stampOf(
  'client',
  { paths: ['prisma/schema.prisma', 'package-lock.json'] },
  { paths: ['src/generated/prisma'] },
);

/** Prisma's CLI downloads a native engine unless an executable is set; `generate` never runs it. */
function schemaEngine() {
  const own = join(root, 'bin', 'schema-engine');
  return existsSync(own) ? own : process.execPath;
}

/** @type {import('./set-up.mjs').Step} */
export const client = {
  title: 'database client (prisma generate)',
  isDone: stamp.isValid,
  async perform(run) {
    const env = {
      PRISMA_SCHEMA_ENGINE_BINARY: schemaEngine(),
      ...process.env,
      CHECKPOINT_DISABLE: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
    };
    try {
      await run(process.execPath, [join(root, 'node_modules/prisma/build/index.js'), 'generate'], { env });
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      throw new SetUpError(
        'generating the database client from prisma/schema.prisma',
        error.excerpt,
        'correct prisma/schema.prisma (`npx prisma validate` shows where), then run the same command again.',
      );
    }
    stamp.write();
  },
};
