import { boundedList } from '../../core/text.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import type { ParsedFile } from '../../migrations/sql/parse-files.js';
import type { FailedMigration } from '../apply/apply.types.js';
import { isOfSession } from '../apply/execution-mode.js';

/** What is known of a migration that failed, and of the database after it. */
export interface FailureFacts {
  readonly script: FailedMigration;
  readonly parsed: ParsedFile | undefined;
  /** Those of the same deploy that are applied. */
  readonly applied: readonly string[];
  /** Whether the history was read after the failure. */
  readonly historyIsKnown: boolean;
  /** Indexes of it that are not usable: what an interrupted CREATE INDEX CONCURRENTLY leaves. */
  readonly invalidIndexes: readonly string[];
  /** Whether its session still runs, though the connection is lost. */
  readonly isStillRunning: boolean;
}

/** What became of the migration. */
export type FailedState = 'applied' | 'rolled back' | 'partly applied' | 'unknown';

/** The session ended, or its transaction was ended with it: nothing was reported of the statement. */
const SESSION_LOST = /^(?:08|57P0[123])|^E[A-Z]+$/;

/** Whether an error says that the session is gone, and nothing of the statement. Pure. */
export function isSessionLost(error: unknown): boolean {
  if (error instanceof PgkeepError) return false;
  const code = errorCode(error);
  return code === undefined || SESSION_LOST.test(code);
}

/** Pure. */
export function stateOf(facts: FailureFacts): FailedState {
  const { script, applied, isStillRunning, historyIsKnown } = facts;
  const { course, wasCommitting, ranAlone, error } = script;
  // The session was lost while it committed, and the history was read since.
  if (applied.includes(script.migration.name)) return 'applied';
  if (isSessionLost(error)) {
    const isDecided = !wasCommitting || (historyIsKnown && !isStillRunning);
    if (course.kind === 'query' || ranAlone || !isDecided) return 'unknown';
  }
  if (course.kind === 'transaction') return 'rolled back';
  return course.kind === 'query' || ranAlone || changesKept(facts) ? 'partly applied' : 'rolled back';
}

/** What the database is like now, in one line. Pure. */
export function stateText(facts: FailureFacts): string {
  const { script, invalidIndexes } = facts;
  const lost = isSessionLost(script.error);
  switch (stateOf(facts)) {
    case 'applied':
      return 'It is applied completely: the history has it as finished.';
    case 'rolled back':
      return lost
        ? 'Nothing of it is kept: PostgreSQL rolls back a transaction whose session is lost before it commits.'
        : 'The database is as it was before this migration: PostgreSQL took it back as a whole.';
    case 'unknown':
      return unknownText(facts);
    default: {
      const left =
        invalidIndexes.length === 0
          ? ''
          : ` There are indexes that are not usable: ${boundedList(invalidIndexes)}.`;
      return `It does not run as one transaction${keptText(facts)}.${left}`;
    }
  }
}

function unknownText(facts: FailureFacts): string {
  const { course, completed, ranAlone } = facts.script;
  if (course.kind === 'transaction') {
    return 'Outcome unknown: the migration was applied completely or not at all.';
  }
  if (course.kind === 'query') return 'Outcome unknown: some of the migration may be applied.';
  const own = ranAlone
    ? `what statement ${completed + 1} did`
    : `whether statement ${completed + 1} is applied`;
  return `It does not run as one transaction${keptText(facts)}. Outcome unknown: ${own}.`;
}

function keptText(facts: FailureFacts): string {
  const { course, kept, completed } = facts.script;
  if (course.kind !== 'statements') return '';
  if (!changesKept(facts)) return '';
  const undone = completed > kept ? `; ${range(kept + 1, completed, 'was', 'were')} rolled back` : '';
  return `: ${range(1, kept, 'is', 'are')} applied and ${kept === 1 ? 'stays' : 'stay'}${undone}`;
}

/** `statement 2 is`, `statements 2 to 4 are` */
function range(from: number, to: number, one: string, several: string): string {
  return from === to ? `statement ${from} ${one}` : `statements ${from} to ${to} ${several}`;
}

/** Whether a statement that stays changed the database: settings of the session are gone with it. Pure. */
export function changesKept({ script, parsed }: Pick<FailureFacts, 'script' | 'parsed'>): boolean {
  const kept = parsed?.statements.slice(0, script.kept) ?? [];
  return kept.some(({ node }) => !isOfSession(node));
}
