import { createHash } from 'node:crypto';
import type { ClientBase } from 'pg';
import { read, readOne, type ReadTimeouts } from '../../postgres/read.js';
import {
  DDL_GUARD,
  DDL_GUARD_TABLES,
  GUARD_EVENT_TRIGGERS,
  GUARD_FUNCTION_NAMES,
  GUARD_FUNCTIONS,
  GUARD_SCHEMA,
  TRUNCATE_TRIGGER,
} from './ddl-guard-sql.js';

/** Version of the installed guard: kept as the event trigger's comment, so that an upgrade is noticed. */
const VERSION = `pgkeep’s DDL guard ${createHash('sha256')
  .update(GUARD_FUNCTIONS + GUARD_EVENT_TRIGGERS)
  .digest('hex')
  .slice(0, 12)}`;

/** Two concurrent installs would create the same objects. */
const TAKE_TURNS = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pgkeep install'));";

/** Everything that `pgkeep install --ddl-guard` creates in one transaction. */
export const INSTALL_GUARD = [
  TAKE_TURNS,
  `CREATE SCHEMA IF NOT EXISTS ${GUARD_SCHEMA};`,
  // The schema may exist already: its contents must not belong to another role.
  `ALTER SCHEMA ${GUARD_SCHEMA} OWNER TO CURRENT_USER;`,
  GUARD_FUNCTIONS,
  ...GUARD_FUNCTION_NAMES.map((name) => `ALTER FUNCTION ${name} OWNER TO CURRENT_USER;`),
  GUARD_EVENT_TRIGGERS,
  `COMMENT ON EVENT TRIGGER ${DDL_GUARD} IS '${VERSION}';`,
].join('\n');

/** Removes the guard's event triggers; its triggers on tables then do nothing. */
export const REMOVE_GUARD = [
  TAKE_TURNS,
  ...[DDL_GUARD, DDL_GUARD_TABLES].map((name) => `DROP EVENT TRIGGER IF EXISTS ${name};`),
].join('\n');

export const DROP_GUARD_SCHEMA = `DROP SCHEMA IF EXISTS ${GUARD_SCHEMA} CASCADE`;

/** The state of the guard in a database. */
export interface GuardState {
  /** Whether the event triggers exist, are on, and are of this version. */
  readonly isCurrent: boolean;
  /** Whether any part of it exists. */
  readonly isThere: boolean;
  readonly tables: readonly GuardedTable[];
}

/** One of the application's tables. */
export interface GuardedTable {
  /** Quoted where SQL needs it. */
  readonly name: string;
  /** The state of its TRUNCATE trigger. */
  readonly trigger: 'on' | 'off' | 'missing';
}

interface Row {
  readonly triggers: number;
  readonly version: string | null;
  readonly schema: boolean;
  readonly tables: readonly GuardedTable[];
}

/** Reads the state of the guard and of its triggers. @throws what the connection throws. */
export async function readGuardState(client: ClientBase, timeouts: ReadTimeouts): Promise<GuardState> {
  const row = await readOne<Row>(client, { sql: STATE_QUERY, ...timeouts });
  return {
    isCurrent: row.triggers === 2 && row.version === VERSION,
    isThere: row.triggers > 0 || row.schema,
    tables: row.tables,
  };
}

/** Whether the guard is on: `off` if it was switched off, `missing` if one of its event triggers does not exist. */
export type DdlGuardSwitch = 'on' | 'off' | 'missing';

/** Reads whether the guard is on; any role can. @throws what the connection throws. */
export async function readDdlGuardSwitch(
  client: ClientBase,
  timeouts: ReadTimeouts,
): Promise<DdlGuardSwitch> {
  const triggers = await read<{ enabled: string }>(client, {
    sql: 'SELECT e.evtenabled AS enabled FROM pg_catalog.pg_event_trigger e WHERE e.evtname = ANY ($1)',
    values: [[DDL_GUARD, DDL_GUARD_TABLES]],
    ...timeouts,
  });
  if (triggers.length < 2) return 'missing';
  return triggers.every(({ enabled }) => ['O', 'A'].includes(enabled)) ? 'on' : 'off';
}

/** Returns the SQL that creates the TRUNCATE trigger on a table, or switches it on again. */
export function guardTable({ name, trigger }: GuardedTable): string {
  return trigger === 'missing'
    ? `CREATE TRIGGER ${TRUNCATE_TRIGGER} BEFORE TRUNCATE ON ${name}
         FOR EACH STATEMENT EXECUTE FUNCTION ${GUARD_SCHEMA}.on_truncate();
       ALTER TABLE ${name} ENABLE ALWAYS TRIGGER ${TRUNCATE_TRIGGER}`
    : `ALTER TABLE ${name} ENABLE ALWAYS TRIGGER ${TRUNCATE_TRIGGER}`;
}

export function releaseTable({ name }: GuardedTable): string {
  return `DROP TRIGGER IF EXISTS ${TRUNCATE_TRIGGER} ON ${name}`;
}

const STATE_QUERY = `
  SELECT (SELECT pg_catalog.count(*)::int FROM pg_catalog.pg_event_trigger e
           WHERE e.evtname IN ('${DDL_GUARD}', '${DDL_GUARD_TABLES}') AND e.evtenabled = 'A') AS triggers,
         (SELECT pg_catalog.obj_description(e.oid, 'pg_event_trigger') FROM pg_catalog.pg_event_trigger e
           WHERE e.evtname = '${DDL_GUARD}') AS version,
         pg_catalog.to_regnamespace('${GUARD_SCHEMA}') IS NOT NULL AS schema,
         (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('name', t.name, 'trigger', t.trigger)
                                              ORDER BY t.name), '[]')
            FROM (SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
                         CASE WHEN g.oid IS NULL THEN 'missing' WHEN g.tgenabled = 'A' THEN 'on'
                              ELSE 'off' END AS trigger
                    FROM pg_catalog.pg_class c
                    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    LEFT JOIN pg_catalog.pg_trigger g ON g.tgrelid = c.oid AND g.tgname = '${TRUNCATE_TRIGGER}'
                   WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
                     AND n.nspname NOT IN ('information_schema', 'pgkeep')
                     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                        AND d.objid = c.oid AND d.deptype = 'e')) t) AS tables`;
