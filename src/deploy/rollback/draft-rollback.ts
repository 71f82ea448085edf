import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Client, ClientBase } from 'pg';
import type { Settings } from '../../config/settings.js';
import { errorCode, messageOf } from '../../core/errors.js';
import { boundedList, withoutStop } from '../../core/text.js';
import { type Loss, lossesOf } from '../../migrations/down/losses.js';
import { DOWN_FILE } from '../../migrations/history/migration-directory.js';
import { MigrationSources } from '../../migrations/lint/baseline.js';
import { type EditedFile, judgeEdits } from '../../migrations/lint/edited-files.js';
import type { MigrationHistory, MigrationStatus } from '../../migrations/migrations.types.js';
import { type ParsedFile, parseFiles } from '../../migrations/sql/parse-files.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { mayCommit } from '../apply/execution-mode.js';
import type { DeployDependencies } from '../deploy-connection.js';
import type { PlannedMigration } from '../deploy/deploy.types.js';
import { projectNotes, requireNoFailedAttempt, requireTarget, rollbackRefused } from '../preconditions.js';
import { findProtectedLoss } from '../protected-losses.js';
import { readProtectedTables } from '../protected-tables.js';
import { measureLosses, notNamed } from './losses.js';
import type { RollbackOptions, RollbackPlan } from './rollback.types.js';

/** A migration's `down.sql`, checked to run as one transaction. */
export interface Down {
  /** In the shape that the runner of migrations takes. */
  readonly script: PlannedMigration;
  readonly parsed: ParsedFile;
}

/** A plan, and what it was made from. */
export interface RollbackDraft {
  readonly plan: RollbackPlan;
  readonly down: Down;
  readonly losses: readonly Loss[];
  /** Tables whose rows must be kept, whatever was named. */
  readonly protectedNames: ReadonlySet<string>;
}

/**
 * Reads the history, then the `down.sql` of its newest migration and what it would remove.
 * @throws PgkeepError `ROLLBACK_REFUSED`; what the connection throws.
 */
export async function draftRollback(
  client: Client,
  { settings, timeouts, migrations }: DeployDependencies,
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
      `${down.script.file} drops schema ${schema}, which contains the migration history`,
      'Drop the objects that the migration created, one by one.',
    );
  }
  const kept = await requireProtectedKept(client, down, settings, timeouts);
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
 * Returns the newest applied migration: the only one that can be rolled back, because later ones build on it. Pure.
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
  // In the order in which they were applied, not by name.
  const applied = rows.filter(({ finished, rolledBack }) => finished && !rolledBack).map(({ name }) => name);
  const newest = applied.at(-1);
  if (newest === undefined) throw rollbackRefused('no migration is applied', 'See `pgkeep migrate status`.');
  if (asked !== undefined && asked !== newest) throw notTheNewest(asked, applied, rows);
  if (status.unknown.includes(newest)) {
    throw rollbackRefused(
      `the newest applied migration, ${newest}, is not in this directory: the database is ahead of this build`,
      'Check out the version that contains it and its down.sql.',
    );
  }
  if (edits.some(({ name, acceptedBecause }) => name === newest && acceptedBecause === undefined)) {
    throw rollbackRefused(
      `migration ${newest} was changed after it was applied: its down.sql may no longer fit`,
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
      `migration ${asked} is not the newest: ${boundedList(above)} ${above.length === 1 ? 'was' : 'were'} applied after it`,
      `Roll back the newest first: \`npx pgkeep migrate rollback ${above.at(-1)}\``,
    );
  }
  const isRolledBack = rows.some(({ name, rolledBack }) => name === asked && rolledBack);
  return rollbackRefused(
    `migration ${asked} is ${isRolledBack ? 'already rolled back' : 'not applied'}`,
    `The newest applied one is ${applied.at(-1)}. See \`pgkeep migrate status\`.`,
  );
}

/** What to do if the rows of a protected table should be removed. */
const KEEP_HINT =
  'Rewrite down.sql so that it keeps the rows. If removing them is intended and approved, roll back once without that table in PROTECTED_TABLES.';

/**
 * Refuses a `down.sql` that removes rows of a protected table, whatever `--lose` names.
 * @returns the names of the protected tables, their partitions and parents; notes.
 * @throws PgkeepError `ROLLBACK_REFUSED`; what the connection throws.
 */
async function requireProtectedKept(
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
      `${loss.what} at ${loss.place} removes rows of ${loss.table}, which is protected (PROTECTED_TABLES)`,
      KEEP_HINT,
    );
  }
  return { names: new Set(tables.flatMap(({ family }) => family)), notes };
}

/** Returns the refusal of a script that removed protected rows without naming the table. */
export function protectedRemoved(what: string) {
  return rollbackRefused(
    `down.sql removed ${what}, which is protected (PROTECTED_TABLES) and not named in its SQL; this was rolled back`,
    KEEP_HINT,
  );
}

/**
 * Reads and parses the `down.sql` of a migration.
 * @throws PgkeepError `ROLLBACK_REFUSED` if it is missing or cannot run as one transaction.
 */
async function readDown(name: string, { migrationsDirectory }: Settings): Promise<Down> {
  const file = path.join(migrationsDirectory, name, DOWN_FILE);
  const shown = path.relative(process.cwd(), file);
  const [parsed] = await parseFiles([{ path: shown, content: await readBytes(name, file, shown) }]);
  if (!parsed) throw new Error('one file in, one out');
  const { source, statements, obstacles } = parsed;
  // What a DO block removes is found after it has run.
  const obstacle = obstacles.find(({ kind }) => kind !== 'unknown');
  if (obstacle) {
    const { line, column } = source.position(obstacle.index);
    throw rollbackRefused(
      `${shown}:${line}:${column} cannot be run: ${withoutStop(obstacle.message)}`,
      'Fix the file.',
    );
  }
  if (statements.length === 0) {
    throw rollbackRefused(
      `${shown} contains no statement, so it would undo nothing`,
      'Write the SQL that undoes the migration. If there is nothing to undo: SELECT 1;',
    );
  }
  const apart = statements.find(({ node, sql }) => mayCommit(node, sql));
  if (apart) {
    const { line, column } = source.position(apart.index);
    throw rollbackRefused(
      `${shown}:${line}:${column} (${source.line(line).trim().slice(0, 60)}) cannot run in a transaction, or begins or ends one; a rollback runs as one transaction`,
      'Remove CONCURRENTLY, BEGIN and COMMIT. MIGRATIONS_LOCK_TIMEOUT limits how long it waits for locks.',
    );
  }
  const script = { name, file: shown, sql: source.text, statements: statements.length, isAtomic: true };
  return { script, parsed };
}

async function readBytes(name: string, file: string, shown: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') {
      throw rollbackRefused(`${shown} cannot be read: ${messageOf(error)}`, 'Fix the file.');
    }
    throw rollbackRefused(
      `migration ${name} has no down.sql`,
      [
        'Generate it on a development database, review it, and commit it:',
        `  npx pgkeep migrate create --down-for ${name}`,
      ].join('\n'),
    );
  }
}
