import {
  applyMigrations as applyByEngine,
  connectionError,
  type EngineDatabase,
  markMigration as markByEngine,
  readMigrationList,
  SchemaEngine,
  SchemaEngineError,
  type SchemaEngineOptions,
  type SchemaFilter,
} from '#prisma-schema-engine-bridge';
import { Client } from 'pg';
import { type DatabaseUrl, describeServer } from '../config/database-url.js';
import { externalsOf, type PrismaProject } from '../config/prisma-project.js';
import { type ErrorCode, PgkeepError } from '../core/errors.js';
import { candidateClient, type ConnectionOptions } from '../postgres/candidate-client.js';
import { CandidateRotation } from '../postgres/candidate-rotation.js';
import { connectOnce } from '../postgres/connect.js';
import { SQLSTATE } from '../postgres/sqlstates.js';

/** pgkeep's codes for Prisma's; every other failure is `MIGRATION_FAILED`. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  P1000: 'DATABASE_ERROR',
  P1001: 'DATABASE_UNREACHABLE',
  P1002: 'DATABASE_TIMEOUT',
  P1003: 'DATABASE_ERROR',
  P1010: 'DATABASE_PERMISSION_DENIED',
  P1011: 'DATABASE_UNREACHABLE',
};

const AFTER_A_FAILURE =
  'A failed migration blocks later migrations. To see what was applied and the options: `npx pgkeep migrate resolve`.';

const HINTS: Readonly<Record<string, string>> = {
  P1002: 'Another migration is running on this database. Wait until it has ended, then try again.',
  P3005:
    'The schema has tables that no migration created. Baseline it: `npx pgkeep migrate resolve --applied NAME`.',
  P3009: AFTER_A_FAILURE,
  P3015: 'Restore the migration.sql of that directory from version control, or delete the directory.',
  P3018: AFTER_A_FAILURE,
  P3019: 'Set MIGRATIONS_DIR to a migrations directory that was created for PostgreSQL.',
};

/** Options of an engine on a database that pgkeep reaches. */
export interface EngineOptions extends Omit<SchemaEngineOptions, 'shadow'> {
  /** A database to replay histories in; it is emptied. By default one is created for the purpose, and dropped. */
  readonly shadow?: DatabaseUrl | undefined;
  /** Aborting it cancels the statement that runs. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `work` with Prisma's schema engine, on one dedicated database session.
 * @throws PgkeepError for every failure of the engine, with Prisma's text; otherwise what `work` throws.
 */
export async function withSchemaEngine<T>(
  url: DatabaseUrl,
  { shadow, ...options }: EngineOptions,
  work: (engine: SchemaEngine) => Promise<T>,
): Promise<T> {
  return await translated(
    async () =>
      await SchemaEngine.use(
        engineDatabase(url),
        { ...options, shadow: shadow && engineDatabase(shadow) },
        work,
      ),
  );
}

/** Migrations to apply: those of one directory, to one database. */
export interface MigrationsToApply {
  /** Its `schema` holds `_prisma_migrations`, and unqualified names belong to it. */
  readonly database: DatabaseUrl;
  readonly directory: string;
  /** Aborting it cancels the statement that runs: its migration is recorded as failed. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Applies the pending migrations of a directory, in order, as `prisma migrate deploy` does.
 * @returns the names of the migrations applied.
 * @throws PgkeepError `MIGRATION_FAILED`, or a `DATABASE_…` code where the database could not be used.
 */
export async function applyMigrations(migrations: MigrationsToApply): Promise<readonly string[]> {
  const database = engineDatabase(migrations.database);
  return await translated(async () => await applyByEngine({ ...migrations, database }));
}

/** The state that the history gets for a migration. */
export type Mark = 'applied' | 'rolled back';

/**
 * Marks a migration in the history without running anything, as `prisma migrate resolve` does.
 * @throws PgkeepError as `applyMigrations` does.
 */
export async function markMigration(
  migration: Omit<MigrationsToApply, 'signal'> & { readonly migration: string },
  mark: Mark,
): Promise<void> {
  const database = engineDatabase(migration.database);
  await translated(async () => await markByEngine({ ...migration, database }, mark));
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw thrown instanceof SchemaEngineError ? toPgkeepError(thrown) : thrown;
  }
}

function toPgkeepError(error: SchemaEngineError): PgkeepError {
  const { prismaCode, sqlState, message } = error;
  const isDenied = prismaCode === undefined && sqlState === SQLSTATE.insufficientPrivilege;
  const code = isDenied ? 'DATABASE_PERMISSION_DENIED' : CODES[prismaCode ?? ''];
  const hint = HINTS[prismaCode ?? ''];
  return new PgkeepError(code ?? 'MIGRATION_FAILED', message, {
    cause: error,
    ...(hint !== undefined && { hint }),
  });
}

/** How long a connection may take when the URL does not say (`connect_timeout`); Prisma's own default. */
const CONNECT_TIMEOUT_MS = 5000;

/** Lets Prisma's engine reach a database as pgkeep does: several hosts, TLS as in libpq, passwords that change. */
export function engineDatabase(url: DatabaseUrl): EngineDatabase {
  // Without a time limit for answers: a migration may take hours.
  const options: ConnectionOptions = {
    connectTimeoutMs: url.connectTimeoutMs || CONNECT_TIMEOUT_MS,
    answerTimeoutMs: 0,
    applicationName: 'pgkeep schema engine',
    purpose: 'scripts',
  };
  return {
    name: url.database,
    schema: url.schema,
    sibling: (database) => engineDatabase({ ...url, database }),
    connector: () => {
      const rotation = new CandidateRotation(url);
      return {
        connect: async () => await connectOnce(rotation, options),
        Client: candidateClient(rotation, options),
      };
    },
    explain: (thrown) => {
      // An error of pgkeep's has its own text.
      if (thrown instanceof PgkeepError) return thrown;
      // Never connected: it only says which user node-postgres takes where the URL names none.
      const { user = '' } = new Client({ user: url.user });
      return connectionError(thrown, { user, database: url.database, server: describeServer(url) });
    },
  };
}

/** Returns the externals in the form of Prisma's engine. */
export function externalFilters(project: PrismaProject): SchemaFilter {
  const { tables, enums } = externalsOf(project) ?? { tables: [], enums: [] };
  return { externalTables: [...tables], externalEnums: [...enums] };
}

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
