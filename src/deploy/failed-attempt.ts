import { escapeIdentifier, type ClientBase } from 'pg';
import { read, type ReadTimeouts } from '../database/read.js';
import type { KeepError } from '../errors.js';
import { refused, type Refuse } from './refused.js';

interface Row {
  readonly name: string;
  readonly started: string;
  /** Null: whoever began it did not live to write down its end. */
  readonly logs: string | null;
}

/**
 * Refuses a database in which a migration began and did not end, whoever began it: Prisma would, too (P3009).
 * @throws KeepError `DEPLOY_REFUSED`, or what `refuse` makes; what the connection throws.
 */
export async function requireNoFailedAttempt(
  client: ClientBase,
  schema: string,
  timeouts: ReadTimeouts,
  refuse: Refuse = refused,
): Promise<void> {
  const [row] = await read<Row>(client, {
    sql: `SELECT migration_name AS name, logs,
                 pg_catalog.to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS started
            FROM ${escapeIdentifier(schema)}._prisma_migrations
           WHERE finished_at IS NULL AND rolled_back_at IS NULL
           ORDER BY started_at LIMIT 1`,
    ...timeouts,
  });
  if (row) throw unresolved(row, refuse);
}

function unresolved({ name, started, logs }: Row, refuse: Refuse): KeepError {
  // The first line only: those behind it may hold a row's values.
  const error = logs?.split('\n').find((line) => line.trim() !== '');
  return refuse(
    `migration ${name} began on ${started} UTC and did not end`,
    [
      error === undefined
        ? 'Nobody wrote down what stopped it: whoever ran it was killed, or lost the connection; all of it may be there.'
        : `It failed (column logs of _prisma_migrations has the rest): ${error}`,
      'See what of it is in the database, then one of',
      `  npx prisma migrate resolve --rolled-back ${name}    (nothing of it is there, or it was taken back by hand)`,
      `  npx prisma migrate resolve --applied ${name}    (all of it is there)`,
    ].join('\n'),
  );
}
