import { boundedList } from '../../core/text.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import type { ParsedFile } from '../../migrations/sql/parse-files.js';
import type { FailedMigration } from '../apply/apply.types.js';
import { isOfSession } from '../apply/execution-mode.js';

/** What is known of a failed migration, and of the database after it. */
export interface FailureFacts {
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

/** Pure. */
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
export function stateText(facts: FailureFacts): string {
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
export function changesKept({ script, parsed }: Pick<FailureFacts, 'script' | 'parsed'>): boolean {
  const kept = parsed?.statements.slice(0, script.kept) ?? [];
  return kept.some(({ node }) => !isOfSession(node));
}
