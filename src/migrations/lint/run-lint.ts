import type { ClientBase } from 'pg';
import { describeDatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { withConnection } from '../../postgres/connect.js';
import { databaseFault } from '../../postgres/database-fault.js';
import { read, type ReadTimeouts } from '../../postgres/read.js';
import type { MigrationsReport } from '../migrations.types.js';
import { type ParsedFile, parseFiles, touchedTables } from '../sql/parse-files.js';
import { MigrationSources } from './baseline.js';
import { type EditedFile, judgeEdits } from './edited-files.js';
import type { Engine } from './engine.js';
import { judge } from './lint-migrations.js';
import { findScope, type Scope } from './lint-scope.js';
import type { LintContext, LintOptions, LintRun, OtherFinding, TableSize } from './lint.types.js';
import { SchemaMemory } from './schema-memory.js';
import { findSquawk, runSquawk } from './squawk.js';

/** The longest wait for a database that may not be reachable. */
const PATIENCE_MS = 5000;

/** What a lint needs from other modules. */
export interface LintNeeds {
  readonly settings: Settings;
  readonly timeouts: ReadTimeouts;
  /** Compares the history with the directory. */
  readonly report: (client: ClientBase) => Promise<MigrationsReport>;
}

/** A comparison of history and directory that could be made. */
type KnownReport = Extract<MigrationsReport, { status: unknown }>;

/** Migration files as they were read, once: what is planned, checked and applied is the same text. */
export interface ReadMigrations {
  readonly scope: Scope;
  readonly parsed: readonly ParsedFile[];
  /** The tables that a deploy changes or the findings are about, `schema.table`, unquoted. */
  readonly touched: readonly string[];
}

/** What the database knows of the tables. */
export interface KnownTables {
  readonly sizes: ReadonlyMap<string, TableSize | null>;
  readonly isNewDatabase: boolean;
}

/**
 * Finds the migrations, reads them, reads what the database knows of their tables, and checks them.
 * @throws PgkeepError `MIGRATIONS_UNREADABLE`, `LINT_FAILED` (baseline, squawk), or `USAGE_INVALID` for a path or a
 * git reference that is not there.
 */
export async function runLint(options: LintOptions, needs: LintNeeds): Promise<LintRun> {
  const { database } = needs.settings;
  if (!database.isNamed) return await withoutDatabase(options, needs, 'no database is configured');
  const patience = {
    connectTimeoutMs: Math.min(PATIENCE_MS, database.connectTimeoutMs),
    answerTimeoutMs: needs.timeouts.statementTimeoutMs,
    applicationName: 'pgkeep lint',
    throughPooler: true,
  };
  try {
    return await withConnection(database.url, patience, (client) => withDatabase(client, options, needs));
  } catch (error) {
    const { code, text } = databaseFault(error);
    // An error without a code is not from the database, but for one of pg's own about a deadline.
    const isOther = errorCode(error) === undefined && code !== 'DATABASE_TIMEOUT';
    if (error instanceof PgkeepError || isOther) throw error;
    const why = `${describeDatabaseUrl(database.url)} does not answer: ${text}`;
    return await withoutDatabase(options, needs, why);
  }
}

async function withDatabase(client: ClientBase, options: LintOptions, needs: LintNeeds): Promise<LintRun> {
  const { settings, timeouts } = needs;
  const report = await needs.report(client);
  const files = await readFiles(options, settings, 'status' in report ? report : undefined);
  const known = await readKnownTables(client, files.touched, report, timeouts);
  const fault = 'fault' in report ? { fault: report.fault.text } : {};
  const others = await findingsOfOthers(options, settings, files.scope);
  return check(files, settings, {
    database: { asked: true, ...fault },
    engine: options.engine,
    known,
    others,
  });
}

async function withoutDatabase(options: LintOptions, { settings }: LintNeeds, why: string): Promise<LintRun> {
  const files = await readFiles(options, settings, undefined);
  const others = await findingsOfOthers(options, settings, files.scope);
  return check(files, settings, { database: { asked: false, why }, engine: options.engine, others });
}

async function readFiles(
  options: LintOptions,
  settings: Settings,
  report: KnownReport | undefined,
): Promise<ReadMigrations> {
  const sources = new MigrationSources(settings.migrationsDirectory);
  const edited = await judgeEdits(report?.changed ?? [], report?.history.rows ?? [], sources);
  return await readMigrations(options, settings, { report, edited, sources });
}

/**
 * Reads and parses the migrations to check, with the history before them.
 * @throws PgkeepError `MIGRATIONS_UNREADABLE`, `LINT_FAILED` for the baseline, or `USAGE_INVALID` for a path or a git
 * reference that is not there.
 */
export async function readMigrations(
  options: LintOptions,
  { searchPath, database: { url } }: Settings,
  {
    report,
    edited,
    sources,
  }: { report: KnownReport | undefined; edited: readonly EditedFile[]; sources: MigrationSources },
): Promise<ReadMigrations> {
  const scope = await findScope(options, { sources, searchPath, status: report?.status, edited });
  const parsed = await parseFiles(scope.files);
  const schema = new SchemaMemory(url.schema);
  const changing = parsed.filter(({ file }) => file.isJudged !== false || file.isPending === true);
  const touched = [...new Set(touchedTables(changing).map((table) => schema.key(table)))];
  return { scope, parsed, touched };
}

/**
 * Reads the sizes of tables, in one query, and whether the database is new.
 * @throws what the connection throws.
 */
export async function readKnownTables(
  client: ClientBase,
  touched: readonly string[],
  report: MigrationsReport,
  timeouts: ReadTimeouts,
): Promise<KnownTables> {
  const sizes = new Map<string, TableSize | null>(await readTableSizes(client, touched, timeouts));
  for (const absent of await readAbsentTables(client, touched, timeouts)) sizes.set(absent, null);
  const wasMigrated = !('status' in report) || (report.history.rows ?? []).some(({ finished }) => finished);
  const isNewDatabase = !wasMigrated && !(await holdsTables(client, timeouts));
  return { sizes, isNewDatabase };
}

async function findingsOfOthers(
  { squawk }: LintOptions,
  { searchPath }: Settings,
  { files }: Scope,
): Promise<ReadonlyMap<string, readonly OtherFinding[]> | undefined> {
  const binary = squawk === false ? undefined : await findSquawk(process.cwd(), searchPath);
  if (binary === undefined) return undefined;
  const checked = files.filter(({ isJudged, isStray, content }) => isJudged && !isStray && content !== null);
  return await runSquawk(
    binary,
    checked.map(({ path }) => path),
    searchPath,
  );
}

/** Checks migrations as they were read. Pure. */
export function check(
  { scope, parsed }: ReadMigrations,
  { ownerColumns, database: { url } }: Settings,
  facts: {
    readonly database: LintRun['database'];
    readonly engine?: Engine | undefined;
    readonly known?: KnownTables;
    readonly others?: ReadonlyMap<string, readonly OtherFinding[]> | undefined;
  },
): LintRun {
  const { database, engine = 'pgkeep', known, others } = facts;
  const context: LintContext = {
    defaultSchema: url.schema,
    engine,
    ...known,
    ...(others && { others }),
    ...(ownerColumns && { ownerColumns }),
  };
  return {
    ...judge(parsed, context),
    scope: scope.name,
    engine,
    isNewDatabase: known?.isNewDatabase === true,
    baselined: scope.baselined,
    database,
    withSquawk: others !== undefined,
  };
}

/** The sizes of tables, in one query; the leaves of a partitioned one are summed. Tables that do not exist are left out. */
const SIZES_QUERY = `
  SELECT n.nspname || '.' || c.relname AS name, sum(pg_catalog.pg_relation_size(l.oid))::float8 AS bytes,
         sum(CASE WHEN l.reltuples >= 0 THEN l.reltuples
                  ELSE pg_catalog.pg_stat_get_live_tuples(l.oid) END)::float8 AS rows
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   CROSS JOIN LATERAL (SELECT c.oid WHERE c.relkind = 'r'
                       UNION ALL
                       SELECT relid FROM pg_catalog.pg_partition_tree(c.oid)
                        WHERE c.relkind = 'p' AND isleaf) leaf (oid)
    JOIN pg_catalog.pg_class l ON l.oid = leaf.oid
   WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = ANY ($1)
   GROUP BY 1`;

/**
 * Reads the sizes of tables (`schema.table`, unquoted); those that do not exist are left out.
 * @throws what the connection throws.
 */
async function readTableSizes(
  client: ClientBase,
  tables: readonly string[],
  timeouts: ReadTimeouts,
): Promise<Map<string, TableSize>> {
  const rows = await read<{ name: string; bytes: number; rows: number }>(client, {
    sql: SIZES_QUERY,
    values: [tables],
    ...timeouts,
  });
  return new Map(rows.map(({ name, bytes, rows: count }) => [name, { bytes, rows: count }]));
}

/**
 * Reads which of some tables (`schema.table`, unquoted) do not exist: no schema has anything of that name.
 * @throws what the connection throws.
 */
async function readAbsentTables(
  client: ClientBase,
  tables: readonly string[],
  timeouts: ReadTimeouts,
): Promise<string[]> {
  const rows = await read<{ name: string }>(client, {
    sql: `
      SELECT DISTINCT w.name FROM pg_catalog.unnest($1::text[]) w (name)
       WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                          WHERE c.relname = pg_catalog.substr(w.name, pg_catalog.strpos(w.name, '.') + 1))`,
    values: [tables],
    ...timeouts,
  });
  return rows.map(({ name }) => name);
}

/**
 * Reads whether the database has a table besides those of PostgreSQL, extensions, Prisma and pgkeep.
 * @throws what the connection throws.
 */
async function holdsTables(client: ClientBase, timeouts: ReadTimeouts): Promise<boolean> {
  const rows = await read(client, {
    sql: `
      SELECT FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p') AND c.relname <> '_prisma_migrations'
         AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgkeep')
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                            AND d.objid = c.oid AND d.deptype = 'e')
       LIMIT 1`,
    ...timeouts,
  });
  return rows.length > 0;
}
