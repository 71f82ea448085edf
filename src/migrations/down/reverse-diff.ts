import type { DatabaseUrl } from '../../config/database-url.js';
import { readMigrationList } from '../engine/migration-files.js';
import type { PrismaProject } from '../../config/prisma-project.js';
import { SchemaEngine } from '../engine/schema-engine.js';
import { externalFilters } from '../prisma-config/externals.js';

/** Which migration is to be taken back, and where it may be replayed. */
export interface ReverseDiffOptions {
  /** The server beside whose database shadow databases are made; its `schema` is what is compared. */
  readonly database: DatabaseUrl;
  /** A database to replay in, which is emptied; one is made for the purpose by default. */
  readonly shadow: DatabaseUrl | undefined;
  readonly directory: string;
  /** What is external, and what a shadow database needs before the migrations. Defaults to nothing. */
  readonly prisma?: PrismaProject;
  readonly migration: string;
  readonly signal: AbortSignal;
}

/**
 * The SQL from the schema with a migration to the one without: the migrations up to it are replayed in one shadow
 * database, those before it in another.
 * @throws SchemaEngineError `P3006` where the history does not replay, `P3014` where there may be no shadow database.
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
  const engine = await SchemaEngine.open(database, { shadow });
  const cancel = (): void => void engine.cancel();
  signal.addEventListener('abort', cancel);
  try {
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
  } finally {
    signal.removeEventListener('abort', cancel);
    await engine.close();
  }
}
