import type { ClientBase } from 'pg';
import { describeDatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { withConnection } from '../../database/connect.js';
import { databaseFault } from '../../database/database-fault.js';
import type { ReadTimeouts } from '../../database/read.js';
import { errorCode, KeepError } from '../../errors.js';
import type { MigrationsReport, MigrationStatus } from '../migrations.types.js';
import { baselineFile, readBaseline } from './baseline.js';
import { judge } from './lint-migrations.js';
import type { LintOptions, LintRun } from './lint-run.types.js';
import { findScope, type Scope } from './lint-scope.js';
import type { LintContext, OtherFinding, TableSize } from './lint.types.js';
import { parseFiles, touchedTables, type ParsedFile } from './parse-files.js';
import { SchemaMemory } from './schema-memory.js';
import { findSquawk, runSquawk } from './squawk.js';
import { readTableSizes } from './table-sizes.js';

/** A lint is worth no longer wait than this for a database that may not be there. */
const PATIENCE_MS = 5000;

/** What a lint needs of its surroundings. */
export interface LintNeeds {
  readonly settings: Settings;
  readonly timeouts: ReadTimeouts;
  /** History against directory. */
  readonly report: (client: ClientBase) => Promise<MigrationsReport>;
}

/** The files to judge, read; and what other linters have against them. */
interface Material {
  readonly scope: Scope;
  readonly parsed: readonly ParsedFile[];
  readonly others: ReadonlyMap<string, readonly OtherFinding[]> | undefined;
  readonly lockTimeoutIsSet: boolean;
}

/**
 * Finds the migrations, reads them, asks who knows more about them, and judges.
 * @throws KeepError `MIGRATIONS_UNREADABLE`, `LINT_FAILED` (baseline, squawk), or `USAGE_INVALID` for a path or a
 * git reference that is not there.
 */
export async function runLint(options: LintOptions, needs: LintNeeds): Promise<LintRun> {
  const { database } = needs.settings;
  if (!database.isNamed) return await withoutDatabase(options, needs, 'no database is named');
  const patience = {
    connectTimeoutMs: Math.min(PATIENCE_MS, database.connectTimeoutMs),
    answerTimeoutMs: needs.timeouts.statementTimeoutMs,
    applicationName: 'pgkeep lint',
    throughPooler: true,
  };
  try {
    return await withConnection(database.url, patience, (client) => withDatabase(client, options, needs));
  } catch (error) {
    // What has no code is no fault of the database.
    if (error instanceof KeepError || errorCode(error) === undefined) throw error;
    const why = `${describeDatabaseUrl(database.url)} does not answer: ${databaseFault(error).text}`;
    return await withoutDatabase(options, needs, why);
  }
}

async function withDatabase(client: ClientBase, options: LintOptions, needs: LintNeeds): Promise<LintRun> {
  const report = await needs.report(client);
  const material = await read(options, needs.settings, 'status' in report ? report.status : undefined);
  const schema = new SchemaMemory(needs.settings.database.url.schema);
  const touched = touchedTables(material.parsed).map((table) => schema.key(table));
  const sizes = await readTableSizes(client, [...new Set(touched)], needs.timeouts);
  const fault = 'fault' in report ? { fault: report.fault.text } : {};
  return judgeAll(material, needs.settings, { asked: true, ...fault }, sizes);
}

async function withoutDatabase(options: LintOptions, { settings }: LintNeeds, why: string): Promise<LintRun> {
  return judgeAll(await read(options, settings, undefined), settings, { asked: false, why });
}

async function read(
  options: LintOptions,
  { migrationsDirectory, searchPath }: Settings,
  status: MigrationStatus | undefined,
): Promise<Material> {
  const baseline = await readBaseline(baselineFile(migrationsDirectory));
  const scope = await findScope(options, { migrationsDirectory, searchPath, status, baseline });
  const judged = scope.files.filter(({ isJudged, isStray }) => isJudged && !isStray).map(({ path }) => path);
  const squawk = options.squawk === false ? undefined : await findSquawk(process.cwd(), searchPath);
  const [parsed, others] = await Promise.all([
    parseFiles(scope.files),
    squawk === undefined ? undefined : runSquawk(squawk, judged, searchPath),
  ]);
  return { scope, parsed, others, lockTimeoutIsSet: options.lockTimeoutIsSet === true };
}

function judgeAll(
  { scope, parsed, others, lockTimeoutIsSet }: Material,
  { ownerColumns, database: { url } }: Settings,
  database: LintRun['database'],
  sizes?: ReadonlyMap<string, TableSize>,
): LintRun {
  const context: LintContext = {
    defaultSchema: url.schema,
    lockTimeoutIsSet,
    ...(sizes && { sizes }),
    ...(others && { others }),
    ...(ownerColumns && { ownerColumns }),
  };
  return {
    ...judge(parsed, context),
    scope: scope.name,
    baselined: scope.baselined,
    database,
    withSquawk: others !== undefined,
  };
}
