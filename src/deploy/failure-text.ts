import type { ParsedFile } from '../migrations/lint/parse-files.js';
import { errorCode, KeepError, messageOf } from '../errors.js';
import { byWhom, type FailedScript } from './migration-runner.js';
import { listed } from '../migrations/listed.js';

const QUERY_CANCELED = '57014';
const LOCK_NOT_AVAILABLE = '55P03';
/** Of pgkeep's DDL guard. */
export const GUARD_REFUSED = 'PK003';
/** The session ended, or its transaction was ended with it: nobody said what became of the script. */
const SESSION_LOST = /^(?:08|57P0[123])|^E[A-Z]+$/;

/** Everything that the message of a failed migration tells. */
export interface Failure {
  readonly script: FailedScript;
  readonly parsed: ParsedFile | undefined;
  /** Those of the same deploy that are applied. */
  readonly applied: readonly string[];
  /** Those that come after it. */
  readonly notTried: readonly string[];
  readonly backup: string | null;
  /** Indexes that are there and not usable: what an interrupted CREATE INDEX CONCURRENTLY leaves. */
  readonly invalidIndexes: readonly string[];
  /** Whether its session still is at it, though the connection is lost. */
  readonly isStillRunning: boolean;
  readonly interrupted: boolean;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** What became of the database: taken back as a whole, partly there, or not known. */
export type FailedState = 'rolled back' | 'partly applied' | 'unknown';

export function stateOf({ migration, error }: FailedScript): FailedState {
  const code = errorCode(error);
  if (code === undefined || SESSION_LOST.test(code)) return 'unknown';
  return migration.isAtomic ? 'rolled back' : 'partly applied';
}

/** The error of a migration that failed: which statement, what the database is like now, what to type next. Pure. */
export function migrationFailed(failure: Failure): KeepError {
  const { script, parsed, applied, notTried, backup, interrupted } = failure;
  const { migration, error } = script;
  const code = errorCode(error);
  const said = `${messageOf(error)}${code === undefined ? '' : ` (${code})`}`;
  const { place, shown } = placeOf(script, parsed);
  const beginning =
    stateOf(script) === 'unknown'
      ? // PostgreSQL keeps back what it says of single statements until all are done.
        [`The connection was lost while migration ${migration.name} ran (${migration.file}): ${said}`]
      : [
          `Migration ${migration.name} ${interrupted ? 'was interrupted' : 'failed'} at ${place}`,
          ...(shown === '' ? [] : [`  ${shown}`]),
          error instanceof KeepError ? error.message : `PostgreSQL says: ${said}`,
        ];
  const message = [
    ...beginning,
    ...reasons(failure),
    stateText(failure),
    ...(applied.length === 0 ? [] : [`Applied before it, and stay: ${listed(applied)}.`]),
    ...(notTried.length === 0 ? [] : [`Not tried: ${listed(notTried)}.`]),
    ...(backup === null ? [] : [`The backup from before the deploy: ${backup}.`]),
  ];
  return new KeepError(interrupted ? 'INTERRUPTED' : 'DEPLOY_FAILED', message.join('\n'), {
    hint: nextSteps(failure).join('\n'),
    cause: error,
  });
}

/** By PostgreSQL's own position, or else by the number of statements that were done before. */
export function placeOf(
  { migration, error, completed }: FailedScript,
  parsed: ParsedFile | undefined,
): { place: string; shown: string } {
  const number = Math.min(completed + 1, migration.statements);
  const ordinal = `statement ${number} of ${migration.statements}`;
  if (!parsed || parsed.statements.length === 0) return { place: migration.file, shown: '' };
  const { source, statements } = parsed;
  const given = Number(propertyOf(error, 'position'));
  const index = given > 0 ? source.indexOfCodePoint(given - 1) : (statements[completed]?.index ?? 0);
  const { line, column } = source.position(index);
  const text = source.line(line).trim();
  const shown = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  return { place: `${ordinal}, ${migration.file}:${line}:${column}`, shown };
}

function propertyOf(thrown: unknown, name: string): unknown {
  return typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, name) : undefined;
}

function reasons(failure: Failure): string[] {
  const waited = waitReasons(failure);
  // PostgreSQL's detail of such an error holds the row's values.
  return waited.length === 0 && errorCode(failure.script.error)?.startsWith('23') === true
    ? ['The row in question is in column logs of _prisma_migrations; it may be personal data.']
    : waited;
}

/** What is to be said of a limit that was reached; nothing where none was. */
export function waitReasons({
  script,
  interrupted,
  lockTimeoutMs,
  statementTimeoutMs,
}: Pick<Failure, 'script' | 'interrupted' | 'lockTimeoutMs' | 'statementTimeoutMs'>): string[] {
  const code = errorCode(script.error);
  if (code === LOCK_NOT_AVAILABLE) {
    const often = script.tries === 1 ? '' : `, ${script.tries} times`;
    return [
      `It waited ${lockTimeoutMs} ms (MIGRATIONS_LOCK_TIMEOUT, or its own)${often}${byWhom(script.blockers)}.`,
    ];
  }
  if (code === QUERY_CANCELED && !interrupted) {
    return [
      `It may run for ${statementTimeoutMs} ms (MIGRATIONS_STATEMENT_TIMEOUT, or its own)${byWhom(script.blockers)}.`,
    ];
  }
  if (code === GUARD_REFUSED) {
    return ['It lets this pass as long as pgkeep’s own lock is held: the connection that held it is lost.'];
  }
  return [];
}

function stateText({ script, invalidIndexes }: Failure): string {
  const { completed } = script;
  const state = stateOf(script);
  if (state === 'rolled back') {
    return 'The database is as it was before this migration: PostgreSQL took it back as a whole.';
  }
  if (state === 'unknown') {
    return script.migration.isAtomic
      ? 'Nobody said what became of it: either all of the migration is in the database, or nothing of it.'
      : 'Nobody said what became of it: some of the migration may be in the database.';
  }
  const done =
    completed === 0
      ? 'It does not run as one transaction'
      : `It does not run as one transaction: what of the first ${completed} ${completed === 1 ? 'statement' : 'statements'} was committed stays`;
  const left =
    invalidIndexes.length === 0
      ? ''
      : ` There are indexes that are not usable: ${invalidIndexes.join(', ')}.`;
  return `${done}.${left}`;
}

function nextSteps(failure: Failure): string[] {
  const { name, file } = failure.script.migration;
  const state = stateOf(failure.script);
  const back = `  npx pgkeep migrate resolve --rolled-back ${name}`;
  const again = '  npx pgkeep migrate deploy';
  if (state === 'rolled back') {
    const code = errorCode(failure.script.error);
    const isTheFile = code !== LOCK_NOT_AVAILABLE && code !== GUARD_REFUSED && !failure.interrupted;
    return [isTheFile ? `Mend ${file}, then:` : 'When the time is better:', back, again];
  }
  if (state === 'partly applied') {
    return [
      `Take back by hand what is there of it, mend ${file}, then:`,
      ...failure.invalidIndexes.map((index) => `  DROP INDEX CONCURRENTLY ${index};    (in psql)`),
      back,
      again,
    ];
  }
  return [
    ...(failure.isStillRunning
      ? [
          'The server has not noticed, and still is at it. Let it end, or end it:',
          `  SELECT pg_terminate_backend(${failure.script.backendPid});    (in psql)`,
        ]
      : []),
    'See what of it is in the database, and what to choose from:',
    '  npx pgkeep migrate resolve',
  ];
}
