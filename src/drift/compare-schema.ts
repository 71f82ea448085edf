import type { DiffTarget } from '#prisma-schema-engine-bridge';
import type { Settings } from '../config/settings.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import { boundedList } from '../core/text.js';
import { externalFilters, withSchemaEngine } from '../migrations/schema-engine.js';
import { readSchemaFiles } from '../migrations/prisma-config/find-prisma-schema.js';
import type { NoComparison, SchemaComparison } from './drift.types.js';

/** The engine's `exitCode` if something differs. */
const DIFFERS = 2;

/**
 * Compares the live database with schema files, by Prisma's own engine and without a shadow database. What Prisma does
 * not model (functions, views, triggers, policies …) is not a difference.
 * @returns the comparison, or why there is none: an invalid Prisma schema must not hide drift.
 */
export async function compareSchema(
  { database: { url }, prisma }: Settings,
  files: readonly string[],
  pending: readonly string[],
): Promise<SchemaComparison | NoComparison> {
  try {
    const contents = await readSchemaFiles(files);
    const datamodels = contents.map(({ path, content }) => [path, content] as const);
    return await withSchemaEngine(url, { datamodels, skipAdvisoryLock: true }, async (engine) => {
      const live: DiffTarget = { tag: 'schemaDatasource', files: contents, configDir: '.' };
      const diff = (from: DiffTarget, script: boolean) =>
        engine.run((wasm) =>
          wasm.diff({
            from,
            to: { tag: 'schemaDatamodel', files: contents },
            script,
            exitCode: true,
            filters: externalFilters(prisma),
          }),
        );
      const { exitCode, stdout } = await diff(live, false);
      const nothing = { files, differs: false, summary: '', script: '', pending };
      if (exitCode !== DIFFERS) return nothing;
      // Its models are elsewhere: the SQL to match such a schema drops every table.
      if ((await diff({ tag: 'empty' }, false)).exitCode !== DIFFERS) return noModel(files);
      const script = (await diff(live, true)).stdout ?? '';
      return { ...nothing, differs: true, summary: (stdout ?? '').trim(), script: script.trim() };
    });
  } catch (error) {
    // A pooler, or another database: not about the schema.
    if (error instanceof PgkeepError && error.kind === 'refused') throw error;
    return { fault: messageOf(error) };
  }
}

function noModel(files: readonly string[]): NoComparison {
  return {
    schemaUnknown: `${boundedList(files, 2)} has no model`,
    hint: 'If the models are in other files, set `schema` in prisma.config.ts to their directory.',
  };
}
