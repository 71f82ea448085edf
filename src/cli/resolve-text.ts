import type { MigrationState, ResolveExplanation, ResolveReport } from '../deploy/resolve/resolve.types.js';
import { formatCount } from './format.js';
import { notRecordedLines } from './recording.js';

/** More names than this are counted. */
const SHOWN = 8;

export function renderExplanation({ database, environment, migrations }: ResolveExplanation): string {
  if (migrations.length === 0) {
    return `Nothing to resolve: no migration of database "${database}" (${environment}) is failed, rolled back or unknown.`;
  }
  const count =
    migrations.length === 1 ? '1 migration is' : `${formatCount(migrations.length)} migrations are`;
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
    ...databaseLines(state),
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

function databaseLines({ isHere, verdict, there, notThere, isAtomic }: MigrationState): string[] {
  if (!isHere) return ['  database  its migration.sql is not here: nobody can look'];
  const whole = isAtomic === true ? '; it runs as one transaction' : '; it does not run as one transaction';
  switch (verdict) {
    case 'nothing':
      return [`  database  nothing of it is there${whole}: ${listed('missing', notThere)}`];
    case 'all':
      return [`  database  all that can be looked for is there: ${listed('', there)}`];
    case 'some':
      return [
        `  database  some of it is there${whole}`,
        `            there: ${listed('', there)}`,
        `            missing: ${listed('', notThere)}`,
      ];
    default:
      return ['  database  it leaves nothing that could be looked for by name: look at its rows'];
  }
}

function listed(title: string, names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ');
  const rest = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return `${title === '' ? '' : `${title}: `}${shown}${rest}`;
}
