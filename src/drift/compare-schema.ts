import { readFile } from 'node:fs/promises';
import type { DatabaseUrl } from '../config/database-url.js';
import { KeepError, messageOf } from '../errors.js';
import { SchemaEngine } from '../migrations/engine/schema-engine.js';
import type { SchemaComparison } from './drift.types.js';

const FILTERS = { externalTables: [], externalEnums: [] };
/** What the engine answers with `exitCode` where something differs. */
const DIFFERS = 2;

/**
 * Compares the live database with schema files, by Prisma's own engine and without a shadow database. What Prisma does
 * not model (functions, views, triggers, policies …) is no difference.
 * @returns the comparison, or why there is none: a schema that Prisma does not take is no reason to tell no drift.
 */
export async function compareSchema(
  url: DatabaseUrl,
  files: readonly string[],
  pending: readonly string[],
): Promise<SchemaComparison | { readonly fault: string }> {
  try {
    const contents = await Promise.all(
      files.map(async (path) => ({ path, content: await readFile(path, 'utf8') })),
    );
    const datamodels = contents.map(({ path, content }) => [path, content] as const);
    const engine = await SchemaEngine.open(url, { datamodels, skipAdvisoryLock: true });
    try {
      const diff = (script: boolean) =>
        engine.run((wasm) =>
          wasm.diff({
            from: { tag: 'schemaDatasource', files: [...contents], configDir: '.' },
            to: { tag: 'schemaDatamodel', files: [...contents] },
            script,
            exitCode: true,
            filters: FILTERS,
          }),
        );
      const { exitCode, stdout } = await diff(false);
      const differs = exitCode === DIFFERS;
      return {
        files,
        differs,
        summary: differs ? (stdout ?? '').trim() : '',
        script: differs ? ((await diff(true)).stdout ?? '').trim() : '',
        pending,
      };
    } finally {
      await engine.close();
    }
  } catch (error) {
    // A pooler, or another database: nothing of it is about the schema.
    if (error instanceof KeepError && error.kind === 'refused') throw error;
    return { fault: messageOf(error) };
  }
}
