import type { Client } from 'pg';
import { lossesOf, type Loss } from '../../migrations/down/losses.js';
import { requireTarget } from '../deploy-facts.js';
import { requireNoFailedAttempt } from '../failed-attempt.js';
import { projectNotes } from '../project-notes.js';
import { rollbackRefused } from '../refused.js';
import { judgeEdits } from '../../migrations/lint/edited-files.js';
import { chooseMigration } from './choose-migration.js';
import { notNamed } from './consent.js';
import { keepProtected } from './keep-protected.js';
import { measureLosses } from './measure-losses.js';
import { readDown, type Down } from './read-down.js';
import type { RollbackNeeds } from './rollback-needs.js';
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
  const edits = await judgeEdits(report.changed, history.rows ?? [], settings.migrationsDirectory);
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
