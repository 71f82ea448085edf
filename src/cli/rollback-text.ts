import { boundedList, counted, formatCount, formatSeconds } from '../core/text.js';
import { lossText } from '../deploy/rollback/losses.js';
import type { RollbackPlan, RollbackReport } from '../deploy/rollback/rollback.types.js';
import { driftLines } from './deploy-text.js';
import { notRecordedLines } from './render.js';

/** Renders a plan: what is rolled back, what is lost, and the complete SQL. */
export function renderRollbackPlan(plan: RollbackPlan): string {
  const { database, environment, migration, file, statements, losses, notNamed, sql } = plan;
  return [
    `rollback  ${migration} in database "${database}" (${environment})`,
    `          ${file}: ${counted(statements, 'statement')}, one transaction`,
    ...(losses.length === 0
      ? ['loses     nothing']
      : losses.map(
          (loss, index) =>
            `${index === 0 ? 'loses     ' : '          '}${lossText(loss)}${notNamed.includes(loss.name) ? `: needs --lose ${loss.name}` : ''}`,
        )),
    `limits    ${plan.lockTimeoutMs} ms for a lock, ${plan.statementTimeoutMs} ms for a statement`,
    ...plan.notes.map((note) => `note      ${note}`),
    '',
    `-- ${file}`,
    sql.trimEnd(),
    '',
  ].join('\n');
}

export function renderRollback(report: RollbackReport): string {
  const { migration, database, environment, directory, backup, lost, shrunk, notCounted, retries } = report;
  const isListed = new Set(lost.map(({ name }) => name));
  return [
    `Rolled back ${migration} in database "${database}" (${environment}) in ${formatSeconds(report.durationMs)}; the history shows it as rolled back.`,
    ...(backup === null ? [] : [`  backup made before: ${backup}`]),
    ...(retries === 0 ? [] : [`  retried for a lock: ${retries === 1 ? 'once' : `${retries} times`}`]),
    ...lost.map((loss) => `  lost      ${lossText(loss)}`),
    ...shrunk
      .filter(({ name, after }) => after !== null || !isListed.has(name))
      .map(({ name, before, after }) =>
        after === null
          ? `  WARNING   ${name} no longer exists; it had ${counted(before, 'row')}`
          : `  WARNING   ${name} has ${counted(after, 'row')}; it had ${formatCount(before)}`,
      ),
    ...(notCounted.length === 0 ? [] : [`  too large to count: ${boundedList(notCounted)}`]),
    ...report.notes.map((note) => `  note: ${note}`),
    ...driftLines(report),
    ...notRecordedLines(report),
    'The next `pgkeep migrate deploy` applies it again as long as it is in the directory; a build that contains it is not ready.',
    `  to drop it: remove the change from the Prisma schema, and run \`rm -r ${directory}\``,
    '  to change it: fix its migration.sql and down.sql, then deploy',
  ].join('\n');
}
