import type { Connection } from 'pg';

/** Begins every statement of pgkeep, to recognize it in pg_stat_activity, pg_stat_statements and the server's log. */
export const MARK = '/* pgkeep */ ';

/** Joins statements into one message. Marks each, because pg_stat_statements counts each separately. */
export function oneMessage(...statements: readonly string[]): string {
  return statements.join(`; ${MARK}`);
}

/**
 * Marks everything that is sent on a connection by pgkeep, the pool or Prisma's adapter, prepared statements included.
 * Positions in the server's errors stay those of the text without the mark.
 */
export function markStatements(connection: Connection): void {
  const query = connection.query.bind(connection);
  const parse = connection.parse.bind(connection);
  connection.query = (text) => query(MARK + text);
  connection.parse = (statement, more) => parse({ ...statement, text: MARK + statement.text }, more);
  connection.prependListener('errorMessage', (error: { position?: string }) => {
    if (error.position !== undefined) error.position = String(Number(error.position) - MARK.length);
  });
}
