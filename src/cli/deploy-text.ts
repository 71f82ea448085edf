import { boundedList, counted, formatBytes, formatCount, formatSeconds } from '../core/text.js';
import type { DeployPlan, DeployReport, PlannedMigration } from '../deploy/deploy/deploy.types.js';
import { lossText } from '../deploy/rollback/losses.js';
import type { RollbackPlan, RollbackReport } from '../deploy/rollback/rollback.types.js';
import { unenforcedText } from '../postgres/catalogue/unenforced.js';
import { renderLint } from './lint-text.js';
import { notRecordedLines } from './render.js';

/** Renders a plan: what is applied, the tables it names, the findings of the lint. */
export function renderDeployPlan(plan: DeployPlan): string {
  const { database, environment, migrations, tables, lint, lockTimeoutMs, statementTimeoutMs } = plan;
  const notes = plan.notes.map((note) => `note      ${note}`);
  if (migrations.length === 0) {
    return [...notes, `Nothing to deploy: database "${database}" (${environment}) is up to date.`].join('\n');
  }
  return [
    `deploy    ${counted(migrations.length, 'migration')} into database "${database}" (${environment})`,
    ...migrations.map((migration) => `          ${migration.name}: ${shape(migration)}`),
    ...tables.map(
      ({ name, rows, bytes }, index) =>
        `${index === 0 ? 'tables    ' : '          '}${name}: about ${counted(rows, 'row')}, ${formatBytes(bytes)}`,
    ),
    `limits    ${lockTimeoutMs} ms for a lock, ${statementTimeoutMs} ms for a statement`,
    ...(plan.protectedTables.length === 0 ? [] : [`protected ${boundedList(plan.protectedTables)}`]),
    ...notes,
    ...(lint === null ? [] : ['', renderLint(lint), '']),
  ].join('\n');
}

/** Renders the SQL of a plan, file by file. */
export function renderSql({ migrations }: DeployPlan): string {
  return migrations.map(({ file, sql }) => `-- ${file}\n${sql.trimEnd()}\n`).join('\n');
}

export function renderDeployment(report: DeployReport): string {
  const { applied, backup, shrunk, found, unenforced, notCounted, retries } = report;
  const { durationMs, database, environment } = report;
  if (applied.length === 0) {
    return [
      `Nothing to deploy: database "${database}" (${environment}) is up to date.`,
      ...policyLines(report),
    ].join('\n');
  }
  return [
    `Deployed ${counted(applied.length, 'migration')} into database "${database}" (${environment}) in ${formatSeconds(durationMs)}; the history shows ${applied.length === 1 ? 'it' : 'them'} as finished.`,
    ...(backup === null ? [] : [`  backup made before: ${backup}`]),
    ...(retries === 0 ? [] : [`  retried for a lock: ${retries === 1 ? 'once' : `${retries} times`}`]),
    ...shrunk.map(({ name, before, after }) =>
      after === null
        ? `  WARNING   ${name} no longer exists; it had ${counted(before, 'row')}`
        : `  WARNING   ${name} has ${counted(after, 'row')}; it had ${formatCount(before)}`,
    ),
    ...found.map((text) => `  WARNING   ${text}`),
    ...unenforced.map((one) => `  WARNING   ${unenforcedText(one)}: ${one.fix}`),
    ...(notCounted.length === 0 ? [] : [`  too large to count: ${boundedList(notCounted)}`]),
    ...policyLines(report),
    ...driftLines(report),
    ...notRecordedLines(report),
  ].join('\n');
}

/** Renders whether the rules for rows were applied; nothing if they were in force. */
function policyLines({ policy }: Pick<DeployReport, 'policy'>): string[] {
  if (!policy) return [];
  if ('notApplied' in policy) return [`  WARNING   the policy was not applied: ${policy.notApplied}`];
  const { applied, inForce, passedOver } = policy.applied;
  return [
    ...(applied.length === 0
      ? []
      : [`  policy: rules of ${counted(applied.length, 'table')} applied, of ${inForce} in force already`]),
    ...passedOver.map(
      ({ name, why }) =>
        `  WARNING   the rule of ${name} was not applied: ${why}. Run \`pgkeep policy apply\` again.`,
    ),
  ];
}

/** Renders what a deploy or rollback reports about drift: earlier changes, and whether the structure was recorded. */
function driftLines({
  drifted,
  notFingerprinted,
  recorded,
}: Pick<DeployReport, 'drifted' | 'notFingerprinted' | 'recorded'>): string[] {
  return [
    ...(drifted === 0
      ? []
      : [
          `  WARNING   ${counted(drifted, 'object')} changed outside of migrations: \`pgkeep migrate drift\``,
        ]),
    ...(notFingerprinted === undefined || !recorded
      ? []
      : [`  drift will not be detected from now on: ${notFingerprinted}`]),
  ];
}

function shape({ statements, isAtomic }: PlannedMigration): string {
  return `${counted(statements, 'statement')}${isAtomic ? '' : ', not as one transaction'}`;
}

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
    ...policyLines(report),
    ...driftLines(report),
    ...notRecordedLines(report),
    'The next `pgkeep migrate deploy` applies it again as long as it is in the directory; a build that contains it is not ready.',
    `  to drop it: remove the change from the Prisma schema, and run \`rm -r ${directory}\``,
    '  to change it: fix its migration.sql and down.sql, then deploy',
  ].join('\n');
}
