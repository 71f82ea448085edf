import type { Client } from 'pg';
import type { ParsedFile } from '../migrations/lint/parse-files.js';
import type { DeployNeeds } from './deploy-needs.js';
import { requireBaseline } from './deploy-facts.js';
import type { DeployPlan } from './deploy.types.js';
import { requireNoFailedAttempt } from './failed-attempt.js';
import { judgeEdits } from '../migrations/lint/edited-files.js';
import { judgeHistory } from './judge-history.js';
import { refusalOfLosses } from './protected-losses.js';
import { readProtectedTables, type ProtectedTable } from './protected-tables.js';
import { readPlan } from './read-plan.js';
import { projectNotes } from './project-notes.js';
import { refused } from './refused.js';

/** A plan, and what its files were parsed into. */
export interface Draft {
  readonly plan: DeployPlan;
  readonly parsed: readonly ParsedFile[];
  readonly protectedTables: readonly ProtectedTable[];
}

/**
 * Looks at the history, then at what is pending.
 * @throws PgkeepError `DEPLOY_REFUSED` where the history allows nothing; what the lint or the connection throws.
 */
export async function draftPlan(
  client: Client,
  { settings, timeouts, migrations, lint }: DeployNeeds,
  { outOfOrder, notes }: { outOfOrder: boolean; notes: readonly string[] },
): Promise<Draft> {
  const { deploy, database, environment } = settings;
  const report = await migrations.report(client, timeouts);
  if ('fault' in report) throw refused(lowerFirst(report.fault.text), report.fault.hint);
  if (report.history.rows !== undefined) {
    await requireNoFailedAttempt(client, database.url.schema, timeouts);
  }
  const edits = await judgeEdits(report.changed, report.history.rows ?? [], settings.migrationsDirectory);
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
  const { parsed, ...read } = await readPlan(client, verdict.pending, settings, timeouts);
  const refusal = refusalOfLosses(parsed, protectedTables, schema);
  if (refusal) throw refusal;
  const judged = await lint.lint({ squawk: false, engine: 'pgkeep' });
  return { plan: { ...plan, ...read, lint: judged }, parsed, protectedTables };
}

/** @throws PgkeepError `DEPLOY_REFUSED` where the lint found an error. */
export function requireNoErrors({ lint }: DeployPlan): void {
  const count = lint?.counts.error ?? 0;
  if (count === 0) return;
  throw refused(
    `the lint found ${count === 1 ? 'an error' : `${count} errors`} in what is pending`,
    [
      'Rewrite the migration as the finding says; or, where it is intended, above the statement: -- pgkeep:allow RULE because REASON',
      ...(lint?.isNewDatabase === true
        ? []
        : [
            'Where other databases applied it long ago, list it as history, and commit the file that this writes: npx pgkeep migrate lint --write-baseline',
          ]),
    ].join('\n'),
  );
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
