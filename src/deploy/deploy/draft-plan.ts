import type { Client } from 'pg';
import type { PgkeepError } from '../../core/errors.js';
import { countedList } from '../../core/text.js';
import { MigrationSources } from '../../migrations/lint/baseline.js';
import { type EditedFile, judgeEdits } from '../../migrations/lint/edited-files.js';
import { check, type KnownTables, readKnownTables, readMigrations } from '../../migrations/lint/run-lint.js';
import { SchemaMemory } from '../../migrations/lint/schema-memory.js';
import type { MigrationHistory, MigrationStatus } from '../../migrations/migrations.types.js';
import { type ParsedFile, touchedTables } from '../../migrations/sql/parse-files.js';
import { executionModeOf } from '../apply/execution-mode.js';
import type { DeployDependencies } from '../deploy-connection.js';
import { projectNotes, refused, requireBaseline, requireNoFailedAttempt } from '../preconditions.js';
import { refusalOfLosses } from '../protected-losses.js';
import { type ProtectedTable, readProtectedTables } from '../protected-tables.js';
import type { DeployPlan } from './deploy.types.js';

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

/** What the history allows a deploy to do. */
interface HistoryVerdict {
  /** Names, in the order in which they are applied; rolled back ones are applied again. */
  readonly pending: readonly string[];
  /** Why nothing may be applied. */
  readonly refusal: PgkeepError | undefined;
  /** Remarks that stop nothing. */
  readonly notes: readonly string[];
}

/**
 * Compares the history with the directory, when no migration failed. A fault stops a deploy that has something to
 * apply, and is only noted otherwise: it must be possible to deploy an older build again. Pure.
 */
function judgeHistory(
  status: MigrationStatus,
  { rows = [] }: Pick<MigrationHistory, 'rows'>,
  edited: readonly EditedFile[],
  outOfOrder: boolean,
): HistoryVerdict {
  const pending = [...status.pending, ...status.rolledBack].toSorted();
  const faults = [...unknownFaults(status, rows), ...editedFaults(edited)];
  const accepted = edited.flatMap(({ name, acceptedBecause: why }) =>
    why === undefined ? [] : [`migration ${name} was changed after it was applied; accepted because ${why}`],
  );
  const notes = [...accepted, ...(pending.length === 0 ? faults.map(({ text }) => text) : [])];
  if (pending.length === 0) return { pending, refusal: undefined, notes };
  const [fault] = [...faults, ...(outOfOrder ? [] : lateFaults(status, pending))];
  return { pending, refusal: fault && refused(fault.text, fault.hint), notes };
}

interface Fault {
  readonly text: string;
  readonly hint: string;
}

function unknownFaults(status: MigrationStatus, rows: NonNullable<MigrationHistory['rows']>): Fault[] {
  const applied = new Set(rows.filter((row) => row.finished && !row.rolledBack).map(({ name }) => name));
  const unknown = status.unknown.filter((name) => applied.has(name));
  const [first] = unknown;
  if (first === undefined) return [];
  const last = [...status.applied, ...status.pending, ...status.rolledBack].toSorted().at(-1) ?? '';
  const inside = unknown.filter((name) => name < last);
  if (inside.length === 0) {
    return [
      {
        text: `the database is ahead of this directory: it has ${countedList('migration', unknown)}`,
        hint: 'Deploy the version that migrated the database, or a newer one.',
      },
    ];
  }
  return [
    {
      text: `the directory has a gap: it lacks ${countedList('migration', inside)}, applied in the database, and has later ones`,
      hint: `Restore it from version control. To find it: \`git log --all --oneline -- '*/${inside[0]}/*'\``,
    },
  ];
}

function editedFaults(files: readonly EditedFile[]): Fault[] {
  const edited = files.filter((file) => file.acceptedBecause === undefined).map(({ name }) => name);
  const [first] = edited;
  if (first === undefined) return [];
  return [
    {
      text:
        edited.length === 1
          ? `${countedList('migration', edited)} was changed after it was applied`
          : `${countedList('migration', edited)} were changed after they were applied`,
      hint: [
        `Restore the file from version control (\`git log -p -- '*/${first}/*'\`), and write the change as a new migration.`,
        'If the change is harmless, accept it and commit the file that this writes:',
        `  npx pgkeep migrate lint --accept-edit ${first} --because "…"`,
      ].join('\n'),
    },
  ];
}

/** Finds migrations from a branch that was merged late. */
function lateFaults({ applied }: MigrationStatus, pending: readonly string[]): Fault[] {
  const newest = applied.toSorted().at(-1) ?? '';
  const late = pending.filter((name) => name < newest);
  if (late.length === 0) return [];
  return [
    {
      text: `${countedList('migration', late)} ${late.length === 1 ? 'sorts' : 'sort'} before ${newest}, which is already applied; this order was never tested`,
      hint: 'Rename its directory with a later timestamp. If the order does not matter: `pgkeep migrate deploy --out-of-order`.',
    },
  ];
}
