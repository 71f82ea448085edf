import { boundedList } from '../../core/text.js';
import { errorCode, messageOf, PgkeepError, propertyOf, serverMessageOf } from '../../core/errors.js';
import type { ParsedFile } from '../../migrations/sql/parse-files.js';
import { SourceText } from '../../migrations/sql/source-text.js';
import type { FailedScript } from '../apply/apply.types.js';
import { byWhom } from '../apply/lock-retries.js';
import { changesKept, type FailureFacts, isSessionLost, stateOf, stateText } from './failed-state.js';

const QUERY_CANCELED = '57014';
const LOCK_NOT_AVAILABLE = '55P03';

/** Everything that the message of a failed migration reports. */
export interface Failure extends FailureFacts {
  /** Those that come after it. */
  readonly notTried: readonly string[];
  readonly backup: string | null;
  readonly interrupted: boolean;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** The error of a migration that failed: which statement, what the database is like now, what to type next. Pure. */
export function migrationFailed(failure: Failure): PgkeepError {
  const { script, parsed, applied, notTried, backup, interrupted } = failure;
  const { migration, error } = script;
  const said = serverWords(error);
  const { place, shown } = placeOf(script, parsed);
  const beginning = isSessionLost(error)
    ? // PostgreSQL keeps back what it says of single statements until all are done.
      [`The connection was lost while migration ${migration.name} ran (${migration.file}): ${said}`]
    : [
        `Migration ${migration.name} ${interrupted ? 'was interrupted' : 'failed'} at ${place}`,
        ...(shown === '' ? [] : [`  ${shown}`]),
        error instanceof PgkeepError ? error.message : `PostgreSQL says: ${said}`,
      ];
  const message = [
    ...beginning,
    ...reasons(failure),
    stateText(failure),
    ...(applied.length === 0 ? [] : [`Applied before it, and stay: ${boundedList(applied)}.`]),
    ...(notTried.length === 0 ? [] : [`Not tried: ${boundedList(notTried)}.`]),
    ...(backup === null ? [] : [`The backup from before the deploy: ${backup}.`]),
  ];
  return new PgkeepError(interrupted ? 'INTERRUPTED' : 'DEPLOY_FAILED', message.join('\n'), {
    hint: nextSteps(failure).join('\n'),
    cause: error,
  });
}

/** By PostgreSQL's own position, or else by the number of statements that were done before. */
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
}: Pick<Failure, 'interrupted' | 'lockTimeoutMs' | 'statementTimeoutMs'> & {
  readonly script: FailedScript;
}): string[] {
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

function nextSteps(failure: Failure): string[] {
  const { script, isStillRunning, invalidIndexes, interrupted } = failure;
  const { name, file } = script.migration;
  const back = `  npx pgkeep migrate resolve --rolled-back ${name}`;
  const again = '  npx pgkeep migrate deploy';
  const running = isStillRunning
    ? [
        'The server still runs its session. Let it end, or end it:',
        `  SELECT pg_terminate_backend(${script.backendPid});    (in psql)`,
      ]
    : [];
  switch (stateOf(failure)) {
    case 'applied':
      return ['Deploy the rest:', again];
    case 'rolled back': {
      const code = errorCode(script.error);
      const isOfItsTime =
        code === LOCK_NOT_AVAILABLE || code === GUARD_REFUSED || isSessionLost(script.error);
      const drops = invalidIndexes.map((index) => `  DROP INDEX CONCURRENTLY ${index};    (in psql)`);
      const begin = isOfItsTime || interrupted ? 'When the time is better:' : `Mend ${file}, then:`;
      return [
        ...running,
        drops.length > 0 ? 'Remove what is not valid, then:' : begin,
        ...drops,
        back,
        again,
      ];
    }
    case 'partly applied':
      return [
        `Take back by hand what is there of it, mend ${file}, then:`,
        ...invalidIndexes.map((index) => `  DROP INDEX CONCURRENTLY ${index};    (in psql)`),
        back,
        again,
        ...(changesKept(failure)
          ? [
              'Or finish it by hand. To see its statements, and the command for that:',
              '  npx pgkeep migrate resolve',
            ]
          : []),
      ];
    default:
      return [
        ...running,
        'See what of it is in the database, and what to choose from:',
        '  npx pgkeep migrate resolve',
      ];
  }
}

/** The SQLSTATE of the DDL guard's refusals. Their hint advises a deploy, which is what failed here. */
export const GUARD_REFUSED = 'PK003';

/** What PostgreSQL says of a failed statement: the message, its SQLSTATE, and what the server adds. Pure. */
export function serverWords(error: unknown): string {
  const message = messageOf(error);
  const code = errorCode(error);
  if (code === undefined) return message;
  const added = code === GUARD_REFUSED ? '' : serverMessageOf(error).slice(message.length);
  return `${message} (${code})${added}`;
}
