import { escapeIdentifier, type Client } from 'pg';
import { appendPlan, mayRecord, recordingDenied } from '../audit-log/append.js';
import type { NewEntry } from '../audit-log/audit-log.types.js';
import { errorCode, PgkeepError, serverMessageOf } from '../core/errors.js';
import { boundedList, withoutStop } from '../core/text.js';
import { LIFT_DDL_GUARD_HERE } from '../guard/ddl/ddl-guard-sql.js';
import { isBeingDeployed, OWN_DEPLOY_LOCK } from '../migrations/history/prisma-history.js';
import { currentRole, read, readOne, type ReadTimeouts } from '../postgres/read.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import { beginStatements } from '../postgres/transaction.js';
import type { ApplyPlan, PassedOver, TableStep } from './plan-apply.js';
import { POLICY_SCHEMA } from './policy-texts.js';

/** A table in use is passed over: other sessions would queue behind a waiting lock. */
export const TABLE_LOCK_MS = 1000;

/** Makes the refusal of an operation on the policy; nothing was changed. */
export type RefusePolicy = (why: string, hint: string) => PgkeepError;

/** What each transaction needs. */
export interface PolicyTransaction {
  readonly timeouts: ReadTimeouts;
  /** Records what is done, in the same transaction. */
  readonly entry: NewEntry;
}

/** Runs statements and their entry in the audit log in one transaction. @throws what the server throws; nothing was done. */
export async function runPolicyStatements(
  client: Client,
  statements: readonly string[],
  { timeouts: { statementTimeoutMs }, entry }: PolicyTransaction,
): Promise<void> {
  const append = appendPlan(entry);
  try {
    await client.query(
      beginStatements(client, { mode: 'READ WRITE', statementTimeoutMs, lockTimeoutMs: TABLE_LOCK_MS }),
    );
    await client.query(LIFT_DDL_GUARD_HERE);
    await client.query(statements.join('\n'));
    await client.query(append.sql, [...append.values]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** What was done with the tables of a plan. */
export interface AppliedTables {
  readonly applied: readonly TableStep[];
  readonly passedOver: readonly PassedOver[];
}

/**
 * Applies the rules table by table, each in one transaction.
 * @param entryOf the entry of a table in the audit log
 * @throws what breaks the connection; what a server refuses for one table passes that table over.
 */
export async function applyTables(
  client: Client,
  { tables }: ApplyPlan,
  { timeouts, entryOf }: { timeouts: ReadTimeouts; entryOf: (step: TableStep) => NewEntry },
): Promise<AppliedTables> {
  const applied: TableStep[] = [];
  const passedOver: PassedOver[] = [];
  for (const step of tables) {
    try {
      await runPolicyStatements(client, step.statements, { timeouts, entry: entryOf(step) });
      applied.push(step);
    } catch (error) {
      const code = errorCode(error);
      // The connection must still work: otherwise this is about all tables.
      if (code === undefined || !(await answers(client))) throw error;
      passedOver.push({
        name: step.name,
        why:
          code === SQLSTATE.lockNotAvailable
            ? 'another session has locked it'
            : withoutStop(serverMessageOf(error)),
      });
    }
  }
  return { applied, passedOver };
}

async function answers(client: Client): Promise<boolean> {
  return await client.query('SELECT').then(
    () => true,
    () => false,
  );
}

/** Returns which of the tables have a row. One that cannot be read now counts as empty: the next apply sees it. */
export async function filledTables(
  client: Client,
  names: readonly string[],
  timeouts: ReadTimeouts,
): Promise<Set<string>> {
  const filled = new Set<string>();
  for (const name of names) {
    const sql = `SELECT EXISTS (SELECT FROM ${name}) AS "hasRows"`;
    const row = await readOne<{ hasRows: boolean }>(client, { sql, ...timeouts }).catch(
      async (error: unknown) => {
        if (!(await answers(client))) throw error;
        return undefined;
      },
    );
    if (row?.hasRows === true) filled.add(name);
  }
  return filled;
}

/**
 * Takes the lock of deploys: the structure must not change meanwhile, and it lifts the DDL guard, which keeps the
 * triggers of the policy.
 * @throws PgkeepError what `refuse` makes, if another session deploys, or applies the policy.
 */
export async function takePolicyLock(client: Client, refuse: RefusePolicy): Promise<void> {
  const [classId, objectId] = OWN_DEPLOY_LOCK;
  const { rows } = await client.query<{ taken: boolean }>(
    'SELECT pg_catalog.pg_try_advisory_lock($1, $2) AS taken',
    [classId, objectId],
  );
  if (rows[0]?.taken === true && !(await isBeingDeployed(client))) return;
  throw refuse(
    'another session is deploying migrations, or is applying the policy',
    'Wait for it, then try again.',
  );
}

/** The rights on pgkeep's records that the functions, which run as their owner, need. */
const NEEDED_RIGHTS: Readonly<Record<string, string>> = {
  table_policy: 'SELECT, INSERT, UPDATE, DELETE',
  privacy_action: 'SELECT, INSERT, UPDATE',
  privacy_row: 'SELECT, INSERT',
  correction: 'SELECT, INSERT, UPDATE',
  legal_hold: 'SELECT',
  privacy_salt: 'SELECT',
};

interface Abilities {
  readonly role: string;
  readonly database: string;
  readonly may_create_schema: boolean;
  readonly owner: string | null;
  readonly is_owner: boolean;
}

/**
 * Requires the rights that applying takes, so that it fails before anything is done.
 * @param operation completes "Cannot …"
 * @param installsFunctions whether the functions are created or replaced
 * @throws PgkeepError `NOT_INSTALLED`, `DATABASE_PERMISSION_DENIED` with the grant.
 */
export async function requirePolicyRights(
  client: Client,
  { operation, installsFunctions }: { operation: string; installsFunctions: boolean },
  timeouts: ReadTimeouts,
): Promise<void> {
  const ability = await mayRecord(client, timeouts);
  if (ability === 'denied') throw recordingDenied(operation, await currentRole(client, timeouts));
  if (!installsFunctions) return;
  const { role, database, owner, ...rights } = await readOne<Abilities>(client, {
    sql: ABILITIES_QUERY,
    ...timeouts,
  });
  const denied = (why: string, hint: string): PgkeepError =>
    new PgkeepError(
      'DATABASE_PERMISSION_DENIED',
      `Cannot ${operation}: role "${role}" ${why}. Nothing was changed.`,
      { hint },
    );
  const quoted = escapeIdentifier(role);
  if (owner !== null && !rights.is_owner) {
    throw denied(
      `does not own schema ${POLICY_SCHEMA}, and its functions are of another version`,
      `Run it as role "${owner}", which owns them.`,
    );
  }
  if (owner === null && !rights.may_create_schema) {
    throw denied(
      `cannot create schema ${POLICY_SCHEMA} in database "${database}"`,
      `Run it as the owner of the database, or grant: GRANT CREATE ON DATABASE ${escapeIdentifier(database)} TO ${quoted};`,
    );
  }
  const missing = await read<{ name: string }>(client, {
    sql: RIGHTS_QUERY,
    values: [JSON.stringify(NEEDED_RIGHTS)],
    ...timeouts,
  });
  if (missing.length === 0) return;
  const grants = missing.map(({ name }) => `GRANT ${NEEDED_RIGHTS[name]} ON pgkeep.${name} TO ${quoted};`);
  throw denied(
    `lacks rights on ${boundedList(missing.map(({ name }) => `pgkeep.${name}`))}`,
    `Run it as the owner of schema pgkeep, or grant: GRANT USAGE ON SCHEMA pgkeep TO ${quoted}; ${grants.join(' ')}`,
  );
}

const ABILITIES_QUERY = `
  SELECT current_user::text AS role, pg_catalog.current_database()::text AS database,
         pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create_schema,
         pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner,
         coalesce(pg_catalog.pg_has_role(n.nspowner, 'USAGE'), false) AS is_owner
    FROM (VALUES (1)) one
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = '${POLICY_SCHEMA}'`;

/** $1: rights by table. Every one of them is needed, and has_table_privilege answers whether any is there. */
const RIGHTS_QUERY = `
  SELECT needed.key AS name
    FROM pg_catalog.json_each_text($1::json) needed
    JOIN pg_catalog.pg_class c ON c.relname = needed.key
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'pgkeep'
   WHERE EXISTS (SELECT FROM pg_catalog.regexp_split_to_table(needed.value, ', ') r
                  WHERE NOT pg_catalog.has_table_privilege(c.oid, r))
      OR NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
   ORDER BY needed.key`;
