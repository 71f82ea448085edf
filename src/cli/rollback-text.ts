import { boundedList, counted, formatCount, formatSeconds } from '../core/text.js';
import { lossText } from '../deploy/rollback/losses.js';
import type { RollbackPlan, RollbackReport } from '../deploy/rollback/rollback.types.js';
import { driftLines } from './deploy-text.js';
import { notRecordedLines } from './render.js';

/** A plan for people: what is taken back, what is lost with it, and the whole SQL. */
export function renderRollbackPlan(plan: RollbackPlan): string {
  const { database, environment, migration, file, statements, losses, notNamed, sql } = plan;
  return [
    `rollback  ${migration} in database "${database}" (${environment})`,
    `          ${file}: ${counted(statements, 'statement')}, one transaction`,
    ...(losses.length === 0
      ? ['loses     no row and no value']
      : losses.map(
          (loss, index) =>
            `${index === 0 ? 'loses     ' : '          '}${lossText(loss)}${notNamed.includes(loss.name) ? `: needs --lose ${loss.name}` : ''}`,
        )),
    `limits    ${plan.lockTimeoutMs} ms for a lock, ${plan.statementTimeoutMs} ms for it all`,
    ...plan.notes.map((note) => `note      ${note}`),
    '',
    `-- ${file}`,
    sql.trimEnd(),
    '',
  ].join('\n');
}

export function renderRollback(report: RollbackReport): string {
  const { migration, database, environment, directory, backup, lost, shrunk, notCounted, retries } = report;
  const isTold = new Set(lost.map(({ name }) => name));
  return [
    `Rolled back ${migration} in database "${database}" (${environment}) in ${formatSeconds(report.durationMs)}; the history has it as rolled back.`,
    ...(backup === null ? [] : [`  backup from before: ${backup}`]),
    ...(retries === 0 ? [] : [`  tried again for a lock: ${retries === 1 ? 'once' : `${retries} times`}`]),
    ...lost.map((loss) => `  lost      ${lossText(loss)}`),
    ...shrunk
      .filter(({ name, after }) => after !== null || !isTold.has(name))
      .map(({ name, before, after }) =>
        after === null
          ? `  CAREFUL   ${name} is gone; it had ${counted(before, 'row')}`
          : `  CAREFUL   ${name} has ${counted(after, 'row')}; it had ${formatCount(before)}`,
      ),
    ...(notCounted.length === 0 ? [] : [`  too large to be counted: ${boundedList(notCounted)}`]),
    ...report.notes.map((note) => `  note: ${note}`),
    ...driftLines(report),
    ...notRecordedLines(report),
    'The next `pgkeep migrate deploy` applies it again, as long as it is in the directory; a build that has it is not ready.',
    `  not wanted any more: take the change out of the Prisma schema, and \`rm -r ${directory}\``,
    '  wanted otherwise: mend its migration.sql and its down.sql, then deploy',
  ].join('\n');
}
