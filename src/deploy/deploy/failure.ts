import { errorCode, messageOf, PgkeepError, propertyOf, serverMessageOf } from '../../core/errors.js';
import { boundedList } from '../../core/text.js';
import { DDL_GUARD_REFUSED } from '../../guard/ddl/ddl-guard-sql.js';
import type { ParsedFile } from '../../migrations/sql/parse-files.js';
import { SourceText } from '../../migrations/sql/source-text.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import type { FailedMigration, FailedScript } from '../apply/apply.types.js';
import { isOfSession } from '../apply/execution-mode.js';
import { blockedBy } from '../apply/lock-retries.js';

/** What is known of a failed migration, and of the database after it. */
interface FailureFacts {
  readonly script: FailedMigration;
  readonly parsed: ParsedFile | undefined;
  /** Migrations of the same deploy that are applied. */
  readonly applied: readonly string[];
  /** Whether the history was read after the failure. */
  readonly historyIsKnown: boolean;
  /** Its invalid indexes, which an interrupted CREATE INDEX CONCURRENTLY leaves. */
  readonly invalidIndexes: readonly string[];
  /** Whether its session is still running, although the connection is lost. */
  readonly isStillRunning: boolean;
}

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

/** The outcome of the migration. */
export type FailedState = 'applied' | 'rolled back' | 'partly applied' | 'unknown';

/** The session ended, so the outcome of the statement was not reported. */
const SESSION_LOST = /^(?:08|57P0[123])|^E[A-Z]+$/;

/** Whether an error means that the session was lost, and not that the statement failed. Pure. */
export function isSessionLost(error: unknown): boolean {
  if (error instanceof PgkeepError) return false;
  const code = errorCode(error);
  return code === undefined || SESSION_LOST.test(code);
}

/** Returns the outcome of a failed migration. Pure. */
export function stateOf(facts: FailureFacts): FailedState {
  const { script, applied, isStillRunning, historyIsKnown } = facts;
  const { mode, wasCommitting, ranAlone, error } = script;
  // The session was lost during COMMIT, and the history was read since.
  if (applied.includes(script.migration.name)) return 'applied';
  if (isSessionLost(error)) {
    const isDecided = !wasCommitting || (historyIsKnown && !isStillRunning);
    if (mode.kind === 'query' || ranAlone || !isDecided) return 'unknown';
  }
  if (mode.kind === 'transaction') return 'rolled back';
  return mode.kind === 'query' || ranAlone || changesKept(facts) ? 'partly applied' : 'rolled back';
}

/** Describes the state of the database in one line. Pure. */
function stateText(facts: FailureFacts): string {
  const { script, invalidIndexes } = facts;
  const lost = isSessionLost(script.error);
  switch (stateOf(facts)) {
    case 'applied':
      return 'The migration was applied completely: the history shows it as finished.';
    case 'rolled back':
      return lost
        ? 'None of it was applied: PostgreSQL rolls back a transaction whose session ends before it commits.'
        : 'The migration was rolled back completely: the database is as it was before it.';
    case 'unknown':
      return unknownText(facts);
    default: {
      const left = invalidIndexes.length === 0 ? '' : ` Invalid indexes: ${boundedList(invalidIndexes)}.`;
      return `The migration did not run as one transaction${keptText(facts)}.${left}`;
    }
  }
}

function unknownText(facts: FailureFacts): string {
  const { mode, completed, ranAlone } = facts.script;
  if (mode.kind === 'transaction') {
    return 'Outcome unknown: the migration was applied completely or not at all.';
  }
  if (mode.kind === 'query') return 'Outcome unknown: some of the migration may be applied.';
  const own = ranAlone
    ? `statement ${completed + 1} may have changed something`
    : `statement ${completed + 1} may be applied`;
  return `The migration did not run as one transaction${keptText(facts)}. Outcome unknown: ${own}.`;
}

function keptText(facts: FailureFacts): string {
  const { mode, kept, completed } = facts.script;
  if (mode.kind !== 'statements') return '';
  if (!changesKept(facts)) return '';
  const undone = completed > kept ? `; ${range(kept + 1, completed, 'was', 'were')} rolled back` : '';
  return `: ${range(1, kept, 'remains', 'remain')} applied${undone}`;
}

/** Returns `statement 2 remains`, `statements 2 to 4 remain`. */
function range(from: number, to: number, one: string, several: string): string {
  return from === to ? `statement ${from} ${one}` : `statements ${from} to ${to} ${several}`;
}

/** Whether a statement that remains applied changed the database: session settings did not. Pure. */
function changesKept({ script, parsed }: Pick<FailureFacts, 'script' | 'parsed'>): boolean {
  const kept = parsed?.statements.slice(0, script.kept) ?? [];
  return kept.some(({ node }) => !isOfSession(node));
}
