import { errorCode, PgkeepError } from '../../core/errors.js';
import type { ParsedFile } from '../../migrations/sql/parse-files.js';
import type { FailedScript } from '../apply/apply.types.js';
import { isSessionLost } from '../deploy/failed-state.js';
import { GUARD_REFUSED, placeOf, serverWords, waitReasons } from '../deploy/failure-text.js';
import type { RollbackPlan } from './rollback.types.js';

/** Everything that the message of a failed rollback tells. */
export interface RollbackFailure {
  readonly script: FailedScript;
  readonly parsed: ParsedFile;
  readonly backup: string | null;
  /** Whether the history has the migration as applied; undefined where it cannot be asked. */
  readonly isApplied: boolean | undefined;
  /** Whether the session was lost after it had been told to commit. */
  readonly wasCommitting: boolean;
  /** Whether the lost session still is at it. */
  readonly isStillRunning: boolean;
  readonly interrupted: boolean;
  readonly plan: RollbackPlan;
  /** The command, to be typed again. */
  readonly command: string;
}

const LOCK_NOT_AVAILABLE = '55P03';

/** The error of a rollback that failed: which statement, what the database is like, what to type next. Pure. */
export function rollbackFailed(failure: RollbackFailure): PgkeepError {
  const { script, parsed, backup, interrupted } = failure;
  const { migration, error } = script;
  const said = serverWords(error);
  const { place, shown } = placeOf(script, parsed);
  const beginning = isSessionLost(script.error)
    ? [`The connection was lost while ${migration.name} was rolled back (${migration.file}): ${said}`]
    : [
        `The rollback of ${migration.name} ${interrupted ? 'was interrupted' : 'failed'} at ${place}`,
        ...(shown === '' ? [] : [`  ${shown}`]),
        `PostgreSQL says: ${said}`,
      ];
  const message = [
    ...beginning,
    ...waitReasons({ ...failure, ...failure.plan }),
    stateText(failure),
    ...(backup === null ? [] : [`The backup from before: ${backup}.`]),
  ];
  return new PgkeepError(interrupted ? 'INTERRUPTED' : 'ROLLBACK_FAILED', message.join('\n'), {
    hint: nextSteps(failure).join('\n'),
    cause: error,
  });
}

function stateText({ isApplied, wasCommitting, isStillRunning }: RollbackFailure): string {
  if (isApplied === undefined) {
    return wasCommitting
      ? 'Nobody said what became of it: the migration is rolled back as a whole, or applied as before.'
      : 'PostgreSQL keeps nothing of it: the database is as it was, and the migration still applied.';
  }
  if (isStillRunning && wasCommitting) {
    return 'It was told to commit, and still is at it: the migration will be rolled back as a whole, or stay applied.';
  }
  if (isStillRunning) {
    return 'The server has not noticed, and still is at it. Nothing of it is kept when it ends: the migration is still applied.';
  }
  return 'The database is as it was, and the migration still applied: PostgreSQL took the rollback back as a whole.';
}

function nextSteps({
  script,
  isApplied,
  wasCommitting,
  isStillRunning,
  interrupted,
  command,
}: RollbackFailure): string[] {
  const again = `  ${command}`;
  if (isStillRunning && wasCommitting) return ['When it has ended:', '  npx pgkeep migrate status', again];
  if (isStillRunning) {
    return [
      'Let it end, or end it:',
      `  SELECT pg_terminate_backend(${script.backendPid});    (in psql)`,
      'Then:',
      again,
    ];
  }
  if (isApplied === undefined) {
    return ['When the server answers again:', '  npx pgkeep migrate status', again];
  }
  const code = errorCode(script.error);
  const isOfItsTime = code === LOCK_NOT_AVAILABLE || code === GUARD_REFUSED;
  const isTheFile = !isOfItsTime && !isSessionLost(script.error) && !interrupted;
  return [isTheFile ? `Mend ${script.migration.file}, then:` : 'When the time is better:', again];
}
