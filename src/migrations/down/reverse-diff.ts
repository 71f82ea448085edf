import { readMigrationList } from '#prisma-schema-engine-bridge';
import type { DatabaseUrl } from '../../config/database-url.js';
import type { PrismaProject } from '../../config/prisma-project.js';
import { externalFilters, withSchemaEngine } from '../schema-engine.js';

/** Which migration to undo, and where the history may be replayed. */
export interface ReverseDiffOptions {
  /** On this database's server the shadow databases are created; its `schema` is compared. */
  readonly database: DatabaseUrl;
  /** A database to replay the history in; it is emptied. By default one is created for the purpose, and dropped. */
  readonly shadow: DatabaseUrl | undefined;
  readonly directory: string;
  /** What is external, and what a shadow database needs before the migrations. Defaults to nothing. */
  readonly prisma?: PrismaProject;
  readonly migration: string;
  readonly signal: AbortSignal;
}

/**
 * Returns the SQL from the schema with a migration to the one without it: the migrations up to this one are replayed
 * in one shadow database, those before it in another.
 * @throws PgkeepError `MIGRATION_FAILED` where the history cannot be replayed, or no shadow database can be created.
 */
export async function reverseDiff({
  database,
  shadow,
  directory,
  prisma = { kind: 'no-configuration' },
  migration,
  signal,
}: ReverseDiffOptions): Promise<string> {
  const init = prisma.kind === 'configured' ? prisma.configuration.initShadowDb : '';
  const all = await readMigrationList(directory, init);
  const place = all.migrationDirectories.findIndex(({ path }) => path === migration);
  const upTo = (count: number) => ({
    ...all,
    tag: 'migrations' as const,
    migrationDirectories: all.migrationDirectories.slice(0, count),
  });
  return await withSchemaEngine(database, { shadow, signal }, async (engine) => {
    const { stdout } = await engine.run((wasm) =>
      wasm.diff({
        from: upTo(place + 1),
        to: upTo(place),
        script: true,
        exitCode: null,
        filters: externalFilters(prisma),
      }),
    );
    return stdout ?? '';
  });
}
