import { type ClientBase, escapeIdentifier } from 'pg';
import { externalsOf, type PrismaProject } from '../config/prisma-project.js';
import type { EnvironmentName, Settings } from '../config/settings.js';
import { type ErrorCode, PgkeepError } from '../core/errors.js';
import { stampGrants } from '../environment/environment.types.js';
import { readStamp, requirePrimary, requireStamp } from '../environment/stamp.js';
import { type Attempt, readAttempts } from '../migrations/history/prisma-history.js';
import { read, type ReadTimeouts } from '../postgres/read.js';

/** Makes the error of a refusal; `why` completes "Refused to deploy: …". */
export type Refuse = (why: string, hint?: string) => PgkeepError;

export const refused: Refuse = refusing('DEPLOY_REFUSED', 'deploy');

export const rollbackRefused: Refuse = refusing('ROLLBACK_REFUSED', 'roll back');

export const resolveRefused: Refuse = refusing('RESOLVE_REFUSED', 'resolve');

function refusing(code: ErrorCode, operation: string): Refuse {
  return (why, hint) =>
    new PgkeepError(code, `Refused to ${operation}: ${why}. Nothing was touched.`, {
      ...(hint !== undefined && { hint }),
    });
}

/**
 * Checks that this database accepts migrations in this environment.
 * @param refuse makes the error of a refusal
 * @returns notes.
 * @throws PgkeepError `DEPLOY_REFUSED`, or what `refuse` makes; what the connection throws.
 */
export async function requireTarget(
  client: ClientBase,
  environment: EnvironmentName,
  timeouts: ReadTimeouts,
  refuse: Refuse = refused,
): Promise<string[]> {
  await requirePrimary(client, timeouts, refuse);
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
 * Refuses a database that has tables but no history: Prisma would (P3005), after the backup. External tables
 * belong to another team, and may exist before.
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
    `the database has tables (${found.name}) and no migration history`,
    `Mark the migrations that created these tables as applied, the first one first: \`npx pgkeep migrate resolve --applied ${firstMigration}\``,
  );
}

/**
 * Refuses a database with a failed migration, whatever ran it: Prisma would, too (P3009).
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
    `migration ${name} started on ${started} UTC and did not finish`,
    [
      ...(said === null
        ? []
        : [`Its error (the complete text is in column logs of _prisma_migrations): ${said}`]),
      ...stateLines(attempt),
      'To see what was applied and the options:',
      '  npx pgkeep migrate resolve',
    ].join('\n'),
  );
}

function stateLines({ mode, steps, said }: Attempt): string[] {
  switch (mode?.kind) {
    case 'transaction':
      return ['pgkeep ran it as one transaction: none of it was applied.'];
    case 'statements':
      return [`pgkeep ran it statement by statement: ${steps} of ${mode.total} were applied.`];
    default:
      return said === null
        ? [
            'No error was recorded: the program that ran it was killed or lost its connection. The migration may be applied completely, in part, or not at all.',
          ]
        : [];
  }
}

/** Returns notes on an invalid Prisma configuration, without which a deploy still works. Pure. */
export function projectNotes(project: PrismaProject): string[] {
  if (project.kind !== 'invalid') return [];
  return [`${project.why}: external tables are taken from the last recorded structure`];
}
