import { type ClientBase, escapeIdentifier } from 'pg';
import type { PrismaProject } from '../config/prisma-project.js';
import type { EnvironmentName, Settings } from '../config/settings.js';
import type { PgkeepError } from '../core/errors.js';
import { stampGrants } from '../environment/environment.types.js';
import { readStamp, requireStamp } from '../environment/stamp.js';
import { type Attempt, readAttempts } from '../migrations/history/attempts.js';
import { externalsOf } from '../migrations/prisma-config/externals.js';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { type Refuse, refused } from './refusals.js';

/**
 * Makes sure that migrations may go into this database as this environment.
 * @param refuse makes the refusal
 * @returns what is worth knowing.
 * @throws PgkeepError `DEPLOY_REFUSED`, or what `refuse` makes; what the connection throws.
 */
export async function requireTarget(
  client: ClientBase,
  environment: EnvironmentName,
  timeouts: ReadTimeouts,
  refuse: Refuse = refused,
): Promise<string[]> {
  const [server] = await read<{ standby: boolean }>(client, {
    sql: 'SELECT pg_catalog.pg_is_in_recovery() AS standby',
    ...timeouts,
  });
  if (server?.standby === true) {
    throw refuse('the server is a read-only replica', 'Point DATABASE_URL at the primary.');
  }
  const reading = await readStamp(client, timeouts);
  if (reading.kind === 'unreadable') {
    const role = escapeIdentifier(reading.role);
    throw refuse(
      `role ${role} may not read which environment the database is stamped for`,
      `Give it the grant: ${stampGrants(role)};`,
    );
  }
  if (reading.kind !== 'stamped') {
    return [
      `the database is not stamped as ${environment}: \`pgkeep install\`, \`pgkeep stamp ${environment}\``,
    ];
  }
  requireStamp(reading, environment, refuse);
  return [];
}

/**
 * Refuses a database that holds tables and was never migrated: Prisma would (P3005), after the backup. External tables
 * are another team's, and may be there before.
 * @throws PgkeepError `DEPLOY_REFUSED`; what the connection throws.
 */
export async function requireBaseline(
  client: ClientBase,
  { database: { url }, prisma }: Settings,
  firstMigration: string,
  timeouts: ReadTimeouts,
): Promise<void> {
  const [found] = await read<{ name: string }>(client, {
    sql: `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
            FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')
             AND n.nspname || '.' || c.relname <> ALL ($2)
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                              WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                AND d.objid = c.oid AND d.deptype = 'e')
           ORDER BY 1 LIMIT 1`,
    values: [url.schema, externalsOf(prisma)?.tables ?? []],
    ...timeouts,
  });
  if (!found) return;
  throw refused(
    `the database was never migrated and has tables already (${found.name})`,
    `Say which migrations they are from: \`npx pgkeep migrate resolve --applied ${firstMigration}\`, and so on.`,
  );
}

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

/** What is worth knowing of a configuration that an action can do without. Pure. */
export function projectNotes(project: PrismaProject): string[] {
  if (project.kind !== 'invalid') return [];
  return [`${project.why}: external tables are those of the last recorded structure`];
}
