import { errorCode } from '../../core/errors.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import { SourceText } from '../sql/source-text.js';
import { isFault, loadSqlParser } from '../sql/sql-parser.js';
import { statementsOf } from '../sql/statements.js';

/**
 * SQLSTATEs of what PostgreSQL refuses because of the transaction around it, and takes where each statement is committed
 * by itself: no transaction block, no end of one, a new value of an enum that is used, and more locks than there is
 * memory for.
 */
export const ONLY_ONE_BY_ONE: ReadonlySet<string> = new Set<string>([
  SQLSTATE.activeSqlTransaction,
  SQLSTATE.invalidTransactionTermination,
  SQLSTATE.unsafeNewEnumValueUsage,
  SQLSTATE.outOfMemory,
]);

/** Why a script failed, and where the SQL that was sent begins in it. */
export interface ScriptFailure {
  readonly thrown: unknown;
  readonly sentFrom: number;
}

/**
 * Sends a script as one query, which PostgreSQL runs as one transaction; statement by statement, as Prisma's native
 * engine does, where PostgreSQL refuses it for that.
 * @returns why it failed, where it did
 */
export async function sendScript(
  script: string,
  send: (sql: string) => Promise<void>,
): Promise<ScriptFailure | undefined> {
  let sentFrom = 0;
  try {
    await send(script);
    return undefined;
  } catch (thrown) {
    const parts = ONLY_ONE_BY_ONE.has(errorCode(thrown) ?? '') ? await partsOf(script) : [];
    if (parts.length === 0) return { thrown, sentFrom };
    try {
      for (const { sql, index } of parts) {
        sentFrom = index;
        await send(sql);
      }
      return undefined;
    } catch (error) {
      return { thrown: error, sentFrom };
    }
  }
}

/** Nothing where the script has transactions of its own: what it committed before it failed would run again. */
async function partsOf(script: string): Promise<{ sql: string; index: number }[]> {
  const parser = await loadSqlParser();
  const parsed = parser.parse(script);
  if (isFault(parsed) || parsed.some(({ node }) => 'TransactionStmt' in node)) return [];
  return statementsOf(new SourceText(script), parsed).map(({ sql, index }) => ({ sql, index }));
}
