import { errorCode } from './errors.js';

/**
 * SQLSTATEs of what PostgreSQL refuses inside a transaction, and accepts where each statement commits by itself: no
 * transaction block (25001), no end of one (2D000), a new enum value that is used (55P04), and more locks than there
 * is memory for (53200).
 */
export const REFUSED_IN_TRANSACTION: ReadonlySet<string> = new Set(['25001', '2D000', '55P04', '53200']);

/** Why a script failed, and where the SQL that was sent begins in it. */
export interface ScriptFailure {
  readonly thrown: unknown;
  readonly sentFrom: number;
}

/**
 * Sends a script as one query, which PostgreSQL runs as one transaction; where PostgreSQL refuses that, statement by
 * statement, as Prisma's native engine does.
 * @returns why it failed, if it did
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
    const statements = REFUSED_IN_TRANSACTION.has(errorCode(thrown) ?? '') ? await statementsOf(script) : [];
    if (statements.length === 0) return { thrown, sentFrom };
    try {
      for (const { sql, index } of statements) {
        sentFrom = index;
        await send(sql);
      }
      return undefined;
    } catch (error) {
      return { thrown: error, sentFrom };
    }
  }
}

/**
 * Splits a script with PostgreSQL's own parser. Returns nothing where the parser cannot read it, or where it contains
 * transactions: what it committed before it failed would run again.
 */
async function statementsOf(script: string): Promise<{ sql: string; index: number }[]> {
  const { loadModule, parseSync } = await import('libpg-query');
  await loadModule();
  // The parser counts in bytes.
  const bytes = Buffer.from(script);
  try {
    const { stmts = [] } = parseSync(script);
    if (stmts.some(({ stmt }) => stmt && 'TransactionStmt' in stmt)) return [];
    return stmts.map(({ stmt_location: start = 0, stmt_len: length }) => {
      const end = length === undefined ? bytes.length : start + length;
      return { sql: bytes.toString('utf8', start, end), index: bytes.toString('utf8', 0, start).length };
    });
  } catch {
    return [];
  }
}
