import { boundedList, counted, formatBytes, formatCount, formatSeconds } from '../core/text.js';
import type { DeployPlan, DeployReport, PlannedMigration } from '../deploy/deploy/deploy.types.js';
import { unenforcedText } from '../postgres/catalogue/unenforced.js';
import { renderLint } from './lint-text.js';
import { notRecordedLines } from './render.js';

/** A plan for people: what is applied, what it touches, what the lint says of it. */
export function renderDeployPlan(plan: DeployPlan): string {
  const { database, environment, migrations, tables, lint, lockTimeoutMs, statementTimeoutMs } = plan;
  const notes = plan.notes.map((note) => `note      ${note}`);
  if (migrations.length === 0) {
    return [...notes, `Nothing to deploy: database "${database}" (${environment}) has every migration.`].join(
      '\n',
    );
  }
  return [
    `deploy    ${counted(migrations.length, 'migration')} into database "${database}" (${environment})`,
    ...migrations.map((migration) => `          ${migration.name}: ${shape(migration)}`),
    ...tables.map(
      ({ name, rows, bytes }, index) =>
        `${index === 0 ? 'tables    ' : '          '}${name}: about ${counted(rows, 'row')}, ${formatBytes(bytes)}`,
    ),
    `limits    ${lockTimeoutMs} ms for a lock, ${statementTimeoutMs} ms for a migration`,
    ...(plan.protectedTables.length === 0 ? [] : [`protected ${boundedList(plan.protectedTables)}`]),
    ...notes,
    ...(lint === null ? [] : ['', renderLint(lint), '']),
  ].join('\n');
}

/** The SQL of a plan, file by file. */
export function renderSql({ migrations }: DeployPlan): string {
  return migrations.map(({ file, sql }) => `-- ${file}\n${sql.trimEnd()}\n`).join('\n');
}

export function renderDeployment(report: DeployReport): string {
  const { applied, backup, shrunk, found, unenforced, notCounted, retries } = report;
  const { durationMs, database, environment } = report;
  if (applied.length === 0) {
    return `Nothing to deploy: database "${database}" (${environment}) has every migration.`;
  }
  return [
    `Deployed ${counted(applied.length, 'migration')} into database "${database}" (${environment}) in ${formatSeconds(durationMs)}; the history has ${applied.length === 1 ? 'it' : 'them'} as finished.`,
    ...(backup === null ? [] : [`  backup from before: ${backup}`]),
    ...(retries === 0 ? [] : [`  tried again for a lock: ${retries === 1 ? 'once' : `${retries} times`}`]),
    ...shrunk.map(({ name, before, after }) =>
      after === null
        ? `  CAREFUL   ${name} is gone; it had ${counted(before, 'row')}`
        : `  CAREFUL   ${name} has ${counted(after, 'row')}; it had ${formatCount(before)}`,
    ),
    ...found.map((text) => `  CAREFUL   ${text}`),
    ...unenforced.map((one) => `  CAREFUL   ${unenforcedText(one)}: ${one.fix}`),
    ...(notCounted.length === 0 ? [] : [`  too large to be counted: ${boundedList(notCounted)}`]),
    ...driftLines(report),
    ...notRecordedLines(report),
  ].join('\n');
}

/** What an action says of drift: what was there before stays told, and whether its own structure is recorded. */
export function driftLines({
  drifted,
  notFingerprinted,
  recorded,
}: Pick<DeployReport, 'drifted' | 'notFingerprinted' | 'recorded'>): string[] {
  return [
    ...(drifted === 0
      ? []
      : [
          `  CAREFUL   ${counted(drifted, 'object')} changed outside of migrations: \`pgkeep migrate drift\``,
        ]),
    ...(notFingerprinted === undefined || !recorded
      ? []
      : [`  drift from here on is not seen: ${notFingerprinted}`]),
  ];
}

function shape({ statements, isAtomic }: PlannedMigration): string {
  return `${counted(statements, 'statement')}${isAtomic ? '' : ', not as one transaction'}`;
}
