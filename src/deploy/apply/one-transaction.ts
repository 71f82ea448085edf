import { oneMessage } from '../../postgres/mark.js';
import type { Statement } from '../../migrations/lint/rule.js';
import { PgkeepError } from '../../core/errors.js';
import { checkMade } from './check-made.js';
import { declarationsOf, type Declaration } from './declarations.js';
import { rollBack, send, type Progress, type ScriptContext } from './script-context.js';

/** Statements that are sent together, and what is to be looked at after the last of them. */
interface Piece {
  readonly sql: string;
  readonly index: number;
  readonly declared: readonly Declaration[];
}

/**
 * Runs the statements and the end of the attempt's row in the history as one transaction: the row is finished exactly
 * where all of them are applied.
 * @param isImmediate whether deferred constraints are checked after each statement, as if each were committed by itself
 * @throws what node-postgres throws, after the transaction was rolled back.
 */
export async function runInOneTransaction(
  { client, history, id, script, options, onFound }: ScriptContext,
  statements: readonly Statement[],
  progress: Progress,
  isImmediate: boolean,
): Promise<void> {
  const first = statements[0] ? script.parsed.statements.indexOf(statements[0]) : 0;
  Object.assign(progress, { completed: first, kept: 0, wasCommitting: false, ranAlone: false });
  try {
    await client.query(isImmediate ? oneMessage('BEGIN', 'SET CONSTRAINTS ALL IMMEDIATE') : 'BEGIN');
    for (const { sql, index, declared } of piecesOf(script.parsed.source.text, statements)) {
      requireWanted(options.signal);
      progress.sentFrom = index;
      await send(client, sql, () => {
        progress.completed += 1;
      });
      for (const declaration of declared) await checkMade(client, declaration, onFound);
    }
    await history.finish(id);
    requireWanted(options.signal);
    progress.wasCommitting = true;
    await client.query('COMMIT');
  } catch (error) {
    await rollBack(client);
    throw error;
  }
}

/** @throws PgkeepError `INTERRUPTED`. */
export function requireWanted(signal: AbortSignal): void {
  if (signal.aborted)
    throw new PgkeepError('INTERRUPTED', 'It was interrupted before PostgreSQL got the rest.');
}

/** One message for all of a file: thousands of statements cost no round trip each. Pure. */
function piecesOf(text: string, statements: readonly Statement[]): Piece[] {
  const pieces: Piece[] = [];
  let from: number | undefined;
  for (const statement of statements) {
    const index = from ?? statement.index;
    const declared = declarationsOf(statement.node);
    const isLast = statement === statements.at(-1);
    from = declared.length > 0 || isLast ? undefined : index;
    if (from !== undefined) continue;
    pieces.push({ sql: text.slice(index, statement.index + statement.sql.length), index, declared });
  }
  return pieces;
}
