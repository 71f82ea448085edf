import { errorCode, PgkeepError } from '../../core/errors.js';
import { DDL_GUARD_REFUSED } from '../../guard/ddl/ddl-guard-sql.js';
import type { ParsedFile } from '../../migrations/sql/parse-files.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import type { FailedScript } from '../apply/apply.types.js';
import { isSessionLost, placeOf, serverWords, waitReasons } from '../deploy/failure.js';
import type { RollbackPlan } from './rollback.types.js';

/** Everything that the message of a failed rollback reports. */
export interface RollbackFailure {
  readonly script: FailedScript;
  readonly parsed: ParsedFile;
  readonly backup: string | null;
  /** Whether the history shows the migration as applied; undefined if it cannot be read. */
  readonly isApplied: boolean | undefined;
  /** Whether COMMIT was sent before the session was lost. */
  readonly wasCommitting: boolean;
  /** Whether the lost session is still running on the server. */
  readonly isStillRunning: boolean;
  readonly interrupted: boolean;
  readonly plan: RollbackPlan;
  /** The command to run again. */
  readonly command: string;
}

/** Returns the error of a failed rollback: the statement, the state of the database, the next step. Pure. */
export function rollbackFailed(failure: RollbackFailure): PgkeepError {
  const { script, parsed, backup, interrupted } = failure;
  const { migration, error } = script;
  const said = serverWords(error);
  const { place, shown } = placeOf(script, parsed);
  const beginning = isSessionLost(script.error)
    ? [`The connection was lost while ${migration.name} was being rolled back (${migration.file}): ${said}`]
    : [
        `The rollback of ${migration.name} ${interrupted ? 'was interrupted' : 'failed'} at ${place}`,
        ...(shown === '' ? [] : [`  ${shown}`]),
        `PostgreSQL reported: ${said}`,
      ];
  const message = [
    ...beginning,
    ...waitReasons({ ...failure, ...failure.plan }),
    stateText(failure),
    ...(backup === null ? [] : [`Backup made before the rollback: ${backup}.`]),
  ];
  return new PgkeepError(interrupted ? 'INTERRUPTED' : 'ROLLBACK_FAILED', message.join('\n'), {
    hint: nextSteps(failure).join('\n'),
    cause: error,
  });
}

function stateText({ isApplied, wasCommitting, isStillRunning }: RollbackFailure): string {
  if (isApplied === undefined) {
    return wasCommitting
      ? 'Outcome unknown: the migration was rolled back completely, or it is still applied.'
      : 'Nothing was changed: PostgreSQL rolls back a transaction whose session ends before it commits. The migration is still applied.';
  }
  if (isStillRunning && wasCommitting) {
    return 'COMMIT was sent and the session is still running: the migration will be rolled back completely, or stay applied.';
  }
  if (isStillRunning) {
    return 'Its session is still running on the server. PostgreSQL discards its changes when it ends: the migration is still applied.';
  }
  return 'Nothing was changed: PostgreSQL discarded the rollback, and the migration is still applied.';
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
      'Wait for it to end, or end it:',
      `  SELECT pg_terminate_backend(${script.backendPid});    (in psql)`,
      'Then:',
      again,
    ];
  }
  if (isApplied === undefined) {
    return ['When the server answers again:', '  npx pgkeep migrate status', again];
  }
  const code = errorCode(script.error);
  const isTransient = code === SQLSTATE.lockNotAvailable || code === DDL_GUARD_REFUSED;
  const isFileAtFault = !isTransient && !isSessionLost(script.error) && !interrupted;
  return [isFileAtFault ? `Fix ${script.migration.file}, then:` : 'Retry later:', again];
}
