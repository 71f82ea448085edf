import type { Client, ClientBase } from 'pg';
import type { Settings } from '../../config/settings.js';
import { boundedList } from '../../core/text.js';
import { type Loss, lossesOf } from '../../migrations/down/losses.js';
import { type EditedFile, judgeEdits } from '../../migrations/lint/edited-files.js';
import { MigrationSources } from '../../migrations/lint/migration-sources.js';
import type { MigrationHistory, MigrationStatus } from '../../migrations/migrations.types.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import type { RollbackNeeds } from '../deploy-dependencies.js';
import { projectNotes, requireNoFailedAttempt, requireTarget } from '../preconditions.js';
import { findProtectedLoss } from '../protected-losses.js';
import { readProtectedTables } from '../protected-tables.js';
import { rollbackRefused } from '../refusals.js';
import { measureLosses, notNamed } from './losses.js';
import { type Down, readDown } from './read-down.js';
import type { RollbackOptions, RollbackPlan } from './rollback.types.js';

/** A plan, and what it was made from. */
export interface RollbackDraft {
  readonly plan: RollbackPlan;
  readonly down: Down;
  readonly losses: readonly Loss[];
  /** Tables whose rows must stay, whatever was named. */
  readonly protectedNames: ReadonlySet<string>;
}

/**
 * Looks at the history, then at what would take its newest migration back.
 * @throws PgkeepError `ROLLBACK_REFUSED`; what the connection throws.
 */
export async function draftRollback(
  client: Client,
  { settings, timeouts, migrations }: RollbackNeeds,
  { migration: asked, lose = [] }: RollbackOptions,
): Promise<RollbackDraft> {
  const { database, environment, deploy } = settings;
  const { schema } = database.url;
  const notes = await requireTarget(client, environment, timeouts, rollbackRefused);
  const report = await migrations.report(client, timeouts);
  if ('fault' in report) {
    const { text, hint } = report.fault;
    throw rollbackRefused(text.charAt(0).toLowerCase() + text.slice(1), hint);
  }
  if (report.history.rows !== undefined) {
    await requireNoFailedAttempt(client, schema, timeouts, rollbackRefused);
  }
  const { status, history } = report;
  const edits = await judgeEdits(
    report.changed,
    history.rows ?? [],
    new MigrationSources(settings.migrationsDirectory),
  );
  const migration = chooseMigration(status, history, edits, asked);
  const down = await readDown(migration, settings);
  const losses = lossesOf(down.parsed, schema);
  if (losses.some(({ kind, name }) => kind === 'schema' && name === schema)) {
    throw rollbackRefused(
      `${down.script.file} drops schema ${schema}, which holds the history itself`,
      'Drop what the migration made, table by table.',
    );
  }
  const kept = await keepProtected(client, down, settings, timeouts);
  const measured = await measureLosses(client, losses, timeouts);
  return {
    down,
    losses,
    protectedNames: kept.names,
    plan: {
      database: database.url.database,
      environment,
      migration,
      file: down.script.file,
      sql: down.script.sql,
      statements: down.script.statements,
      losses: measured,
      notNamed: notNamed(measured, lose, schema),
      isProduction: environment === 'production',
      lockTimeoutMs: deploy.lockTimeoutMs,
      statementTimeoutMs: deploy.statementTimeoutMs,
      notes: [...notes, ...projectNotes(settings.prisma), ...kept.notes],
    },
  };
}

/**
 * The newest applied migration: the only one that may be taken back, since those on top of it build on it. Pure.
 * @param edits files that were changed after they were applied, in more than their comments
 * @param asked the name that was typed
 * @throws PgkeepError `ROLLBACK_REFUSED`.
 */
function chooseMigration(
  status: MigrationStatus,
  { rows = [] }: Pick<MigrationHistory, 'rows'>,
  edits: readonly EditedFile[],
  asked: string | undefined,
): string {
  // In the order in which they were applied, whatever their names.
  const applied = rows.filter(({ finished, rolledBack }) => finished && !rolledBack).map(({ name }) => name);
  const newest = applied.at(-1);
  if (newest === undefined) throw rollbackRefused('no migration is applied', 'See `pgkeep migrate status`.');
  if (asked !== undefined && asked !== newest) throw notTheNewest(asked, applied, rows);
  if (status.unknown.includes(newest)) {
    throw rollbackRefused(
      `the newest applied migration, ${newest}, is not in this directory: the database is ahead of this build`,
      'Check out the build that has it; its down.sql is there, too.',
    );
  }
  if (edits.some(({ name, acceptedBecause }) => name === newest && acceptedBecause === undefined)) {
    throw rollbackRefused(
      `migration ${newest} was changed after it was applied: its down.sql may take back something else`,
      `Restore the file from version control: \`git log -p -- '*/${newest}/*'\``,
    );
  }
  return newest;
}

function notTheNewest(
  asked: string,
  applied: readonly string[],
  rows: NonNullable<MigrationHistory['rows']>,
) {
  const place = applied.lastIndexOf(asked);
  if (place !== -1) {
    const above = applied.slice(place + 1);
    return rollbackRefused(
      `migration ${asked} is not the newest: on top of it ${above.length === 1 ? 'is' : 'are'} ${boundedList(above)}`,
      `The newest goes first: \`npx pgkeep migrate rollback ${above.at(-1)}\``,
    );
  }
  const isRolledBack = rows.some(({ name, rolledBack }) => name === asked && rolledBack);
  return rollbackRefused(
    `migration ${asked} is ${isRolledBack ? 'rolled back already' : 'not applied'}`,
    `The newest applied one is ${applied.at(-1)}. See \`pgkeep migrate status\`.`,
  );
}

/** What is to be typed where the rows of a protected table are meant to go. */
const KEEP_HINT =
  'Write down.sql so that the rows stay. Where it is meant, and agreed on, roll back once without that name in PROTECTED_TABLES.';

/**
 * Refuses a `down.sql` that takes rows of a protected table, whatever `--lose` names.
 * @returns the names of protected tables, and of those that their rows lie in or belong to; what is worth knowing.
 * @throws PgkeepError `ROLLBACK_REFUSED`; what the connection throws.
 */
async function keepProtected(
  client: ClientBase,
  { parsed }: Down,
  { deploy, database }: Settings,
  timeouts: ReadTimeouts,
): Promise<{ names: ReadonlySet<string>; notes: readonly string[] }> {
  const { schema } = database.url;
  const options = { schema, timeouts, refuse: rollbackRefused };
  const { tables, notes } = await readProtectedTables(client, deploy.protectedTables, options);
  const loss = findProtectedLoss([parsed], tables, schema);
  if (loss) {
    throw rollbackRefused(
      `${loss.place} is ${loss.what}, and takes rows of ${loss.table}, which is protected (PROTECTED_TABLES)`,
      KEEP_HINT,
    );
  }
  return { names: new Set(tables.flatMap(({ family }) => family)), notes };
}

/** The refusal of one whose text did not say that it takes such rows. */
export function tookProtected(what: string) {
  return rollbackRefused(
    `its text does not say so, and it took ${what}, which is protected (PROTECTED_TABLES): it was taken back`,
    KEEP_HINT,
  );
}
