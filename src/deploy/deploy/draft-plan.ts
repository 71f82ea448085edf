import type { Client } from 'pg';
import { judgeEdits } from '../../migrations/lint/edited-files.js';
import { MigrationSources } from '../../migrations/lint/migration-sources.js';
import { check, type KnownTables, readKnownTables, readMigrations } from '../../migrations/lint/run-lint.js';
import { SchemaMemory } from '../../migrations/lint/schema-memory.js';
import { type ParsedFile, touchedTables } from '../../migrations/sql/parse-files.js';
import { executionModeOf } from '../apply/execution-mode.js';
import type { DeployDependencies } from '../deploy-dependencies.js';
import { projectNotes, requireBaseline, requireNoFailedAttempt } from '../preconditions.js';
import { refusalOfLosses } from '../protected-losses.js';
import { type ProtectedTable, readProtectedTables } from '../protected-tables.js';
import { refused } from '../refusals.js';
import type { DeployPlan } from './deploy.types.js';
import { judgeHistory } from './judge-history.js';

/** A plan and its parsed files. */
export interface Draft {
  readonly plan: DeployPlan;
  readonly parsed: readonly ParsedFile[];
  readonly protectedTables: readonly ProtectedTable[];
}

/**
 * Reads the history, then the pending migrations.
 * @throws PgkeepError `DEPLOY_REFUSED` if the history forbids a deploy; what the lint or the connection throws.
 */
export async function draftPlan(
  client: Client,
  { settings, timeouts, migrations }: DeployDependencies,
  { outOfOrder, notes }: { outOfOrder: boolean; notes: readonly string[] },
): Promise<Draft> {
  const { deploy, database, environment } = settings;
  const report = await migrations.report(client, timeouts);
  if ('fault' in report) throw refused(lowerFirst(report.fault.text), report.fault.hint);
  if (report.history.rows !== undefined) {
    await requireNoFailedAttempt(client, database.url.schema, timeouts);
  }
  const sources = new MigrationSources(settings.migrationsDirectory);
  const edits = await judgeEdits(report.changed, report.history.rows ?? [], sources);
  const verdict = judgeHistory(report.status, report.history, edits, outOfOrder);
  if (verdict.refusal) throw verdict.refusal;
  const { protectedTables: names, ...limits } = deploy;
  const { schema } = database.url;
  const protection = await readProtectedTables(client, names, { schema, timeouts });
  const { tables: protectedTables } = protection;
  const plan = {
    database: database.url.database,
    environment,
    ...limits,
    protectedTables: protectedTables.map(({ name }) => name),
    notes: [...notes, ...projectNotes(settings.prisma), ...verdict.notes, ...protection.notes],
  };
  const [first] = verdict.pending;
  if (first === undefined) {
    return { plan: { ...plan, migrations: [], tables: [], lint: null }, parsed: [], protectedTables };
  }
  if (report.history.rows === undefined) await requireBaseline(client, settings, first, timeouts);
  const read = await readMigrations({}, settings, { report, edited: edits, sources });
  const isPending = new Set(verdict.pending);
  const parsed = read.parsed.filter(({ file }) => isPending.has(file.migration ?? ''));
  const refusal = refusalOfLosses(parsed, protectedTables, schema);
  if (refusal) throw refusal;
  const known = await readKnownTables(client, read.touched, report, timeouts);
  const lint = check(read, settings, { database: { asked: true }, engine: 'pgkeep', known });
  return { plan: { ...plan, ...planned(parsed, known, schema), lint }, parsed, protectedTables };
}

/** Checks the findings of the lint. @throws PgkeepError `DEPLOY_REFUSED` if there is an error. */
export function requireNoErrors({ lint }: DeployPlan): void {
  const count = lint?.counts.error ?? 0;
  if (count === 0) return;
  throw refused(
    `the lint found ${count === 1 ? 'an error' : `${count} errors`} in the pending migrations`,
    [
      'Rewrite the migration as the finding says. If the change is intended, add this line above the statement: -- pgkeep:allow RULE because REASON',
      ...(lint?.isNewDatabase === true
        ? []
        : [
            'If other databases applied it long ago, add it to the baseline and commit the file that this writes: npx pgkeep migrate lint --write-baseline',
          ]),
    ].join('\n'),
  );
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Returns the migrations of the plan, and the tables that they name, as they were read. Pure. */
function planned(
  parsed: readonly ParsedFile[],
  { sizes }: KnownTables,
  defaultSchema: string,
): Pick<DeployPlan, 'migrations' | 'tables'> {
  const schema = new SchemaMemory(defaultSchema);
  const names = new Set(touchedTables(parsed).map((table) => schema.key(table)));
  const tables = [...sizes].flatMap(([name, size]) => (size && names.has(name) ? [{ name, ...size }] : []));
  return {
    migrations: parsed.map((one) => ({
      name: one.file.migration ?? '',
      file: one.file.path,
      // As Prisma's engine reads it: a byte order mark is kept.
      sql: Buffer.from(one.file.content ?? '').toString(),
      statements: one.statements.length,
      isAtomic: executionModeOf(one).kind === 'transaction',
    })),
    tables: tables.toSorted((left, right) => right.bytes - left.bytes),
  };
}
