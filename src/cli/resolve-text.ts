import { boundedList, counted } from '../core/text.js';
import type {
  MigrationState,
  RanBy,
  ResolveExplanation,
  ResolveReport,
} from '../deploy/resolve/resolve.types.js';
import { notRecordedLines } from './render.js';

/** More names than this are counted. */
const SHOWN = 8;

export function renderExplanation({ database, environment, migrations }: ResolveExplanation): string {
  if (migrations.length === 0) {
    return `Nothing to resolve: no migration of database "${database}" (${environment}) is failed, rolled back or unknown.`;
  }
  const count = counted(migrations.length, 'migration is', 'migrations are');
  return [
    `${count} not settled in database "${database}" (${environment}):`,
    ...migrations.map((state) => `\n${renderState(state)}`),
  ].join('\n');
}

/** One migration: what the history says, what PostgreSQL said, what is there, what to choose from. */
export function renderState(state: MigrationState): string {
  const { migration, choices } = state;
  return [
    migration,
    `  history   ${historyText(state)}`,
    ...(state.state === 'failed' ? [`  said      ${saidText(state)}`] : []),
    ...(state.ran === null ? [] : [`  ran       ${ranText(state.ran)}`]),
    ...databaseLines(state),
    ...statementLines('applied', state.applied),
    ...statementLines('uncertain', state.uncertain),
    ...statementLines('not run', state.notApplied),
    ...state.invalid.map((index) => `  invalid   index ${index}`),
    ...choices.map(
      ({ command, when }, index) => `  ${index === 0 ? 'choose    ' : '          '}${command}    (${when})`,
    ),
  ].join('\n');
}

export function renderResolution(report: ResolveReport): string {
  const { migration, mark, database, environment } = report;
  const next =
    mark === 'applied'
      ? 'Nothing of it was run.'
      : 'Nothing was run. The next `pgkeep migrate deploy` applies it again: mend it before.';
  return [
    `Migration ${migration} is marked as ${mark} in database "${database}" (${environment}). ${next}`,
    ...notRecordedLines(report),
  ].join('\n');
}

function historyText({ state, started }: MigrationState): string {
  switch (state) {
    case 'failed':
      return `failed: began on ${started} UTC and did not end`;
    case 'rolled back':
      return `rolled back, and not applied since; began on ${started} UTC`;
    case 'unknown':
      return `applied on ${started} UTC, and not in this directory: the database is ahead of this build`;
    case 'pending':
      return 'never begun';
    default:
      return `applied on ${started} UTC`;
  }
}

function saidText({ said }: MigrationState): string {
  return said ?? 'nobody wrote it down: whoever ran it was killed, or lost the connection';
}

function ranText(ran: RanBy): string {
  if (ran.by !== 'pgkeep') {
    return 'not by pgkeep: since Prisma 7.4 each statement may have been committed by itself';
  }
  if (ran.as === 'statements') {
    const changed = ran.isSameFile ? '' : ', of the file as it was: it was changed since';
    return `by pgkeep, statement by statement: ${ran.applied} of ${ran.statements} applied${changed}`;
  }
  return ran.as === 'transaction'
    ? 'by pgkeep, as one transaction, which PostgreSQL rolled back'
    : 'by pgkeep, as one query: its parser cannot read the file';
}

function databaseLines(state: MigrationState): string[] {
  const { isHere, verdict, there, notThere, invalid } = state;
  if (!isHere) return ['  database  its migration.sql is not here: nobody can look'];
  const nothing = `${verdict === 'nothing' ? 'nothing of it is there' : 'nothing that can be looked for is there'}${
    invalid.length === 0 ? '' : ', except what is not valid'
  }`;
  if (there.length === 0 && notThere.length === 0) {
    return verdict === 'nothing' || invalid.length > 0
      ? [`  database  ${nothing}`]
      : ['  database  it leaves nothing that could be looked for by name: look at its rows'];
  }
  if (notThere.length === 0) {
    return [`  database  all that can be looked for is there: ${boundedList(there)}`];
  }
  if (there.length === 0) return [`  database  ${nothing}: missing: ${boundedList(notThere)}`];
  return [
    '  database  some of it is there',
    `            there: ${boundedList(there)}`,
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
