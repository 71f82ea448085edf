import type { ClientBase } from 'pg';
import type { ReadTimeouts } from '../postgres/read.js';
import type { PgkeepError } from '../core/errors.js';
import { readAttempts, type Attempt } from '../migrations/attempts.js';
import { refused, type Refuse } from './refused.js';

/**
 * Refuses a database in which a migration began and did not end, whoever began it: Prisma would, too (P3009).
 * @throws PgkeepError `DEPLOY_REFUSED`, or what `refuse` makes; what the connection throws.
 */
export async function requireNoFailedAttempt(
  client: ClientBase,
  schema: string,
  timeouts: ReadTimeouts,
  refuse: Refuse = refused,
): Promise<void> {
  const attempts = await readAttempts(client, schema, timeouts);
  const failed = attempts.find(({ state }) => state === 'failed');
  if (failed) throw unresolved(failed, refuse);
}

function unresolved(attempt: Attempt, refuse: Refuse): PgkeepError {
  const { name, started, said } = attempt;
  return refuse(
    `migration ${name} began on ${started} UTC and did not end`,
    [
      ...(said === null ? [] : [`It failed (column logs of _prisma_migrations has the rest): ${said}`]),
      ...stateLines(attempt),
      'See what of it is in the database, and what to choose from:',
      '  npx pgkeep migrate resolve',
    ].join('\n'),
  );
}

function stateLines({ course, steps, said }: Attempt): string[] {
  switch (course?.kind) {
    case 'transaction':
      return ['pgkeep ran it as one transaction: nothing of it is applied.'];
    case 'statements':
      return [`pgkeep ran it statement by statement: ${steps} of ${course.total} are applied.`];
    default:
      return said === null
        ? [
            'Nobody wrote down what stopped it: whoever ran it was killed, or lost the connection; all of it may be there.',
          ]
        : [];
  }
}
