import type { ClientBase } from 'pg';
import { describeDatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { withConnection } from '../../postgres/connect.js';
import { databaseFault } from '../../postgres/database-fault.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import type { MigrationsReport } from '../migrations.types.js';
import { type ParsedFile, parseFiles, touchedTables } from '../sql/parse-files.js';
import { baselineFile, readBaseline } from './baseline.js';
import { judgeEdits } from './edited-files.js';
import type { Engine } from './engine.js';
import { judge } from './lint-migrations.js';
import { findScope, type Scope } from './lint-scope.js';
import type { LintContext, LintOptions, LintRun, OtherFinding, TableSize } from './lint.types.js';
import { SchemaMemory } from './schema-memory.js';
import { findSquawk, runSquawk } from './squawk.js';
import { holdsTables, readAbsentTables, readTableSizes } from './table-sizes.js';

/** The longest wait for a database that may not be reachable. */
const PATIENCE_MS = 5000;

/** What a lint needs from other modules. */
export interface LintNeeds {
  readonly settings: Settings;
  readonly timeouts: ReadTimeouts;
  /** History against directory. */
  readonly report: (client: ClientBase) => Promise<MigrationsReport>;
}

/** The files to check, parsed; and the findings of other linters. */
interface Material {
  readonly scope: Scope;
  readonly parsed: readonly ParsedFile[];
  readonly others: ReadonlyMap<string, readonly OtherFinding[]> | undefined;
  readonly engine: Engine;
}

/** What the database knows of the tables. */
interface Knowledge {
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
    // An error without a code is not from the database.
    if (error instanceof PgkeepError || errorCode(error) === undefined) throw error;
    const why = `${describeDatabaseUrl(database.url)} does not answer: ${databaseFault(error).text}`;
    return await withoutDatabase(options, needs, why);
  }
}

async function withDatabase(client: ClientBase, options: LintOptions, needs: LintNeeds): Promise<LintRun> {
  const { settings, timeouts } = needs;
  const report = await needs.report(client);
  const material = await read(options, settings, 'status' in report ? report : undefined);
  const schema = new SchemaMemory(settings.database.url.schema);
  const touched = [...new Set(touchedTables(material.parsed).map((table) => schema.key(table)))];
  const sizes = new Map<string, TableSize | null>(await readTableSizes(client, touched, timeouts));
  for (const absent of await readAbsentTables(client, touched, timeouts)) sizes.set(absent, null);
  const wasMigrated = !('status' in report) || (report.history.rows ?? []).some(({ finished }) => finished);
  const isNewDatabase = !wasMigrated && !(await holdsTables(client, timeouts));
  const fault = 'fault' in report ? { fault: report.fault.text } : {};
  return judgeAll(material, settings, { asked: true, ...fault }, { sizes, isNewDatabase });
}

async function withoutDatabase(options: LintOptions, { settings }: LintNeeds, why: string): Promise<LintRun> {
  return judgeAll(await read(options, settings, undefined), settings, { asked: false, why });
}

async function read(
  options: LintOptions,
  { migrationsDirectory, searchPath }: Settings,
  report: Extract<MigrationsReport, { status: unknown }> | undefined,
): Promise<Material> {
  const { status, history, changed = [] } = report ?? {};
  const baseline = await readBaseline(baselineFile(migrationsDirectory));
  const edited = await judgeEdits(changed, history?.rows ?? [], migrationsDirectory);
  const scope = await findScope(options, { migrationsDirectory, searchPath, status, edited, baseline });
  const judged = scope.files
    .filter(({ isJudged, isStray, content }) => isJudged && !isStray && content !== null)
    .map(({ path }) => path);
  const squawk = options.squawk === false ? undefined : await findSquawk(process.cwd(), searchPath);
  const [parsed, others] = await Promise.all([
    parseFiles(scope.files),
    squawk === undefined ? undefined : runSquawk(squawk, judged, searchPath),
  ]);
  return { scope, parsed, others, engine: options.engine ?? 'pgkeep' };
}

function judgeAll(
  { scope, parsed, others, engine }: Material,
  { ownerColumns, database: { url } }: Settings,
  database: LintRun['database'],
  known?: Knowledge,
): LintRun {
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
