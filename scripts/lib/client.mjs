import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './project.mjs';
import { RunError } from './run.mjs';
import { SetUpError } from './set-up-error.mjs';
import { stampOf } from './stamp.mjs';

/** pgkeep's own records, and the clinic, whose client the tests and the example application use. */
const SCHEMAS = ['prisma/schema.prisma', 'examples/clinic/prisma/schema.prisma'];

const stamp = stampOf(
  'client',
  { paths: [...SCHEMAS, 'package-lock.json'] },
  { paths: ['src/generated/prisma', 'examples/clinic/generated/prisma'] },
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
    const prisma = join(root, 'node_modules/prisma/build/index.js');
    for (const schema of SCHEMAS) {
      try {
        await run(process.execPath, [prisma, 'generate', '--schema', schema], { env });
      } catch (error) {
        if (!(error instanceof RunError)) throw error;
        throw new SetUpError(
          `generating the database client from ${schema}`,
          error.excerpt,
          `correct ${schema} (\`npx prisma validate --schema ${schema}\` shows where), then run the same command again.`,
        );
      }
    }
    stamp.write();
  },
};
