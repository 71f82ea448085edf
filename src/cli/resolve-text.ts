import { boundedList, counted } from '../core/text.js';
import type {
  MigrationState,
  RanBy,
  ResolveExplanation,
  ResolveReport,
} from '../deploy/resolve/resolve.types.js';
import { notRecordedLines } from './render.js';

/** The most statements that are listed. */
const SHOWN = 8;

export function renderExplanation({ database, environment, migrations }: ResolveExplanation): string {
  if (migrations.length === 0) {
    return `Nothing to resolve: no migration of database "${database}" (${environment}) is failed, rolled back or unknown.`;
  }
  const count = counted(migrations.length, 'migration');
  return [
    `${count} to resolve in database "${database}" (${environment}):`,
    ...migrations.map((state) => `\n${renderState(state)}`),
  ].join('\n');
}

/** Renders one migration: its history, its error, what was applied, the options. */
export function renderState(state: MigrationState): string {
  const { migration, choices } = state;
  return [
    migration,
    `  history   ${historyText(state)}`,
    ...(state.state === 'failed' ? [`  error     ${saidText(state)}`] : []),
    ...(state.ran === null ? [] : [`  ran       ${ranText(state.ran)}`]),
    ...databaseLines(state),
    ...statementLines('applied', state.applied),
    ...statementLines('uncertain', state.uncertain),
    ...statementLines('not run', state.notApplied),
    ...assumedLines(state),
    ...state.invalid.map((index) => `  invalid   index ${index}`),
    ...choices.map(
      ({ command, when }, index) => `  ${index === 0 ? 'options   ' : '          '}${command}    (${when})`,
    ),
  ].join('\n');
}

export function renderResolution(report: ResolveReport): string {
  const { migration, mark, database, environment } = report;
  const next =
    mark === 'applied'
      ? 'None of it was run.'
      : 'Nothing was run. The next `pgkeep migrate deploy` applies it again: fix it first.';
  return [
    `Migration ${migration} is marked as ${mark} in database "${database}" (${environment}). ${next}`,
    ...notRecordedLines(report),
  ].join('\n');
}

function historyText({ state, started }: MigrationState): string {
  switch (state) {
    case 'failed':
      return `failed: started on ${started} UTC and did not finish`;
    case 'rolled back':
      return `rolled back and not applied since; started on ${started} UTC`;
    case 'unknown':
      return `applied on ${started} UTC, and not in this directory: the database is ahead of this build`;
    case 'pending':
      return 'never started';
    default:
      return `applied on ${started} UTC`;
  }
}

function saidText({ said }: MigrationState): string {
  return said ?? 'not recorded: the program that ran it was killed or lost its connection';
}

function ranText(ran: RanBy): string {
  if (ran.by !== 'pgkeep') {
    return 'not by pgkeep: since Prisma 7.4 each statement may have been committed separately';
  }
  if (ran.as === 'statements') {
    const changed = ran.isSameFile ? '' : '; the file was changed since';
    return `by pgkeep, statement by statement: ${ran.applied} of ${ran.statements} applied${changed}`;
  }
  return ran.as === 'transaction'
    ? 'by pgkeep, as one transaction, which PostgreSQL rolled back'
    : 'by pgkeep, as one query: its parser cannot read the file';
}

function databaseLines(state: MigrationState): string[] {
  const { isHere, verdict, there, notThere, invalid } = state;
  if (!isHere) return ['  database  cannot be checked: its migration.sql is not in this directory'];
  const nothing = `${verdict === 'nothing' ? 'none of it exists' : 'nothing that pgkeep can look for exists'}${
    invalid.length === 0 ? '' : ', except invalid indexes'
  }`;
  if (there.length === 0 && notThere.length === 0) {
    return verdict === 'nothing' || invalid.length > 0
      ? [`  database  ${nothing}`]
      : ['  database  it creates nothing that pgkeep can look for by name: check its rows'];
  }
  if (notThere.length === 0) {
    return [`  database  everything that pgkeep can look for exists: ${boundedList(there)}`];
  }
  if (there.length === 0) return [`  database  ${nothing}; missing: ${boundedList(notThere)}`];
  return [
    '  database  some of it exists',
    `            present: ${boundedList(there)}`,
    `            missing: ${boundedList(notThere)}`,
  ];
}

function statementLines(title: string, statements: readonly string[]): string[] {
  const shown = statements
    .slice(0, SHOWN)
    .map((text, index) => `  ${(index === 0 ? title : '').padEnd(9)} ${text}`);
  const rest = statements.length - SHOWN;
  return rest > 0 ? [...shown, `            and ${rest} more`] : shown;
}

function assumedLines({ assumedNotRun }: MigrationState): string[] {
  if (assumedNotRun.length === 0) return [];
  return [
    ...statementLines('assumed', assumedNotRun),
    '            not run, because the object of an earlier statement is missing; if you dropped it by hand, check their rows',
  ];
}
