import { escapeIdentifier, type ClientBase } from 'pg';
import type { EnvironmentName, Settings } from '../config/settings.js';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { readStamp } from '../environment/read-environment.js';
import { externalsOf } from '../migrations/prisma-config/externals.js';
import { refused, type Refuse } from './refused.js';

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
      `Give it the grant: GRANT USAGE ON SCHEMA pgkeep TO ${role}; GRANT SELECT ON pgkeep.database_environment TO ${role};`,
    );
  }
  if (reading.kind !== 'stamped') {
    return [
      `the database is not stamped as ${environment}: \`pgkeep install\`, \`pgkeep stamp ${environment}\``,
    ];
  }
  const stamped = reading.stamp.environment;
  if (stamped === environment) return [];
  throw refuse(
    `this is ${environment} (NODE_ENV), and the database is stamped ${stamped}`,
    `Use \`--env ${stamped}\`, or point DATABASE_URL at the ${environment} database.`,
  );
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
 * Whether a backend works for a session of this name: by its number alone it may be another's by now.
 * @throws what the connection throws.
 */
export async function isRunning(
  client: ClientBase,
  backendPid: number,
  timeouts: ReadTimeouts,
  applicationName: string,
): Promise<boolean> {
  const rows = await read(client, {
    sql: `SELECT FROM pg_catalog.pg_stat_activity
           WHERE pid = $1 AND state <> 'idle' AND application_name = $2`,
    values: [backendPid, applicationName],
    ...timeouts,
  });
  return rows.length > 0;
}
