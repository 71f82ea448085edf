import { boundedList } from '../../core/text.js';
import { errorCode, messageOf, PgkeepError, propertyOf, serverMessageOf } from '../../core/errors.js';
import { DDL_GUARD_REFUSED } from '../../guard/ddl/ddl-guard-sql.js';
import type { ParsedFile } from '../../migrations/sql/parse-files.js';
import { SourceText } from '../../migrations/sql/source-text.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import type { FailedScript } from '../apply/apply.types.js';
import { blockedBy } from '../apply/lock-retries.js';
import { changesKept, type FailureFacts, isSessionLost, stateOf, stateText } from './failed-state.js';

/** Everything that the message of a failed migration reports. */
export interface Failure extends FailureFacts {
  /** The migrations after it. */
  readonly notTried: readonly string[];
  readonly backup: string | null;
  readonly interrupted: boolean;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** Returns the error of a failed migration: the statement, the state of the database, the next step. Pure. */
export function migrationFailed(failure: Failure): PgkeepError {
  const { script, parsed, applied, notTried, backup, interrupted } = failure;
  const { migration, error } = script;
  const said = serverWords(error);
  const { place, shown } = placeOf(script, parsed);
  const beginning = isSessionLost(error)
    ? // PostgreSQL buffers the results of single statements until all are done.
      [`The connection was lost while migration ${migration.name} was running (${migration.file}): ${said}`]
    : [
        `Migration ${migration.name} ${interrupted ? 'was interrupted' : 'failed'} at ${place}`,
        ...(shown === '' ? [] : [`  ${shown}`]),
        error instanceof PgkeepError ? error.message : `PostgreSQL reported: ${said}`,
      ];
  const message = [
    ...beginning,
    ...reasons(failure),
    stateText(failure),
    ...(applied.length === 0 ? [] : [`Applied before it and kept: ${boundedList(applied)}.`]),
    ...(notTried.length === 0 ? [] : [`Not run: ${boundedList(notTried)}.`]),
    ...(backup === null ? [] : [`Backup made before the deploy: ${backup}.`]),
  ];
  return new PgkeepError(interrupted ? 'INTERRUPTED' : 'DEPLOY_FAILED', message.join('\n'), {
    hint: nextSteps(failure).join('\n'),
    cause: error,
  });
}

/** Finds the failed statement by PostgreSQL's position, or else by the number of completed statements. */
export function placeOf(
  { migration, error, completed, sentFrom = 0 }: FailedScript,
  parsed: ParsedFile | undefined,
): { place: string; shown: string } {
  const number = Math.min(completed + 1, migration.statements);
  const ordinal = `statement ${number} of ${migration.statements}`;
  if (!parsed || parsed.statements.length === 0) return { place: migration.file, shown: '' };
  const { source, statements } = parsed;
  const given = Number(propertyOf(error, 'position'));
  const sent = new SourceText(source.text.slice(sentFrom));
  const index =
    given > 0 ? sentFrom + sent.indexOfCodePoint(given - 1) : (statements[number - 1]?.index ?? 0);
  const { line, column } = source.position(index);
  const text = source.line(line).trim();
  const shown = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  return { place: `${ordinal}, ${migration.file}:${line}:${column}`, shown };
}

function reasons(failure: Failure): string[] {
  const waited = waitReasons(failure);
  // PostgreSQL's detail of such an error contains the row's values.
  return waited.length === 0 && errorCode(failure.script.error)?.startsWith('23') === true
    ? ['The values of the row are in column logs of _prisma_migrations; they may be personal data.']
    : waited;
}

/** Explains a limit that was reached; empty if none was. */
export function waitReasons({
  script,
  interrupted,
  lockTimeoutMs,
  statementTimeoutMs,
}: Pick<Failure, 'interrupted' | 'lockTimeoutMs' | 'statementTimeoutMs'> & {
  readonly script: FailedScript;
}): string[] {
  const code = errorCode(script.error);
  if (code === SQLSTATE.lockNotAvailable) {
    const often = script.tries === 1 ? '' : `, ${script.tries} times`;
    return [
      `It waited ${lockTimeoutMs} ms for a lock (MIGRATIONS_LOCK_TIMEOUT, or its own lock_timeout)${often}${blockedBy(script.blockers)}.`,
    ];
  }
  if (code === SQLSTATE.queryCanceled && !interrupted) {
    return [
      `The limit is ${statementTimeoutMs} ms (MIGRATIONS_STATEMENT_TIMEOUT, or its own statement_timeout)${blockedBy(script.blockers)}.`,
    ];
  }
  if (code === DDL_GUARD_REFUSED) {
    return [
      'The DDL guard allows this only while pgkeep’s deploy lock is held, and the connection that held it was lost.',
    ];
  }
  return [];
}

function nextSteps(failure: Failure): string[] {
  const { script, isStillRunning, invalidIndexes, interrupted } = failure;
  const { name, file } = script.migration;
  const back = `  npx pgkeep migrate resolve --rolled-back ${name}`;
  const again = '  npx pgkeep migrate deploy';
  const running = isStillRunning
    ? [
        'Its session is still running on the server. Wait for it to end, or end it:',
        `  SELECT pg_terminate_backend(${script.backendPid});    (in psql)`,
      ]
    : [];
  switch (stateOf(failure)) {
    case 'applied':
      return ['To deploy the rest:', again];
    case 'rolled back': {
      const code = errorCode(script.error);
      const isTransient =
        code === SQLSTATE.lockNotAvailable || code === DDL_GUARD_REFUSED || isSessionLost(script.error);
      const drops = invalidIndexes.map((index) => `  DROP INDEX CONCURRENTLY ${index};    (in psql)`);
      const begin = isTransient || interrupted ? 'Retry later:' : `Fix ${file}, then:`;
      return [
        ...running,
        drops.length > 0 ? 'Drop the invalid indexes, then:' : begin,
        ...drops,
        back,
        again,
      ];
    }
    case 'partly applied':
      return [
        `Undo by hand what was applied, fix ${file}, then:`,
        ...invalidIndexes.map((index) => `  DROP INDEX CONCURRENTLY ${index};    (in psql)`),
        back,
        again,
        ...(changesKept(failure)
          ? ['Or finish it by hand. To see its statements and the command:', '  npx pgkeep migrate resolve']
          : []),
      ];
    default:
      return [...running, 'To see what was applied and the options:', '  npx pgkeep migrate resolve'];
  }
}

/** Returns PostgreSQL's message of a failed statement with its SQLSTATE, detail and hint. Pure. */
export function serverWords(error: unknown): string {
  const message = messageOf(error);
  const code = errorCode(error);
  if (code === undefined) return message;
  const added = code === DDL_GUARD_REFUSED ? '' : serverMessageOf(error).slice(message.length);
  return `${message} (${code})${added}`;
}
