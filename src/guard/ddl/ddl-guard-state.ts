import { createHash } from 'node:crypto';
import type { ClientBase } from 'pg';
import { readOne, type ReadTimeouts } from '../../postgres/read.js';
import { DDL_GUARD, DDL_GUARD_TABLES } from '../../postgres/server-facts.js';
import {
  GUARD_EVENT_TRIGGERS,
  GUARD_FUNCTION_NAMES,
  GUARD_FUNCTIONS,
  GUARD_SCHEMA,
  TRUNCATE_TRIGGER,
} from './ddl-guard-sql.js';

/** Which text of the guard is installed: kept as the event trigger's comment, so that an upgrade is noticed. */
const VERSION = `pgkeep’s DDL guard ${createHash('sha256')
  .update(GUARD_FUNCTIONS + GUARD_EVENT_TRIGGERS)
  .digest('hex')
  .slice(0, 12)}`;

/** Two at once would make the same things. */
const TAKE_TURNS = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pgkeep install'));";

/** All that `pgkeep install --ddl-guard` makes in one transaction. */
export const INSTALL_GUARD = [
  TAKE_TURNS,
  `CREATE SCHEMA IF NOT EXISTS ${GUARD_SCHEMA};`,
  // Somebody may have been there before: what is in it must be nobody else's.
  `ALTER SCHEMA ${GUARD_SCHEMA} OWNER TO CURRENT_USER;`,
  GUARD_FUNCTIONS,
  ...GUARD_FUNCTION_NAMES.map((name) => `ALTER FUNCTION ${name} OWNER TO CURRENT_USER;`),
  GUARD_EVENT_TRIGGERS,
  `COMMENT ON EVENT TRIGGER ${DDL_GUARD} IS '${VERSION}';`,
].join('\n');

/** Switches the guard off for good; its triggers on tables then do nothing. */
export const REMOVE_GUARD = [
  TAKE_TURNS,
  ...[DDL_GUARD, DDL_GUARD_TABLES].map((name) => `DROP EVENT TRIGGER IF EXISTS ${name};`),
].join('\n');

export const DROP_GUARD_SCHEMA = `DROP SCHEMA IF EXISTS ${GUARD_SCHEMA} CASCADE`;

/** What there is of the guard in a database. */
export interface GuardState {
  /** Whether the event triggers are there, on, and of this pgkeep's text. */
  readonly isCurrent: boolean;
  /** Whether anything of it is there. */
  readonly isThere: boolean;
  readonly tables: readonly GuardedTable[];
}

/** One of the application's tables. */
export interface GuardedTable {
  /** Quoted where SQL needs it. */
  readonly name: string;
  /** What became of its TRUNCATE trigger. */
  readonly trigger: 'on' | 'off' | 'missing';
}

interface Row {
  readonly triggers: number;
  readonly version: string | null;
  readonly schema: boolean;
  readonly tables: readonly GuardedTable[];
}

/** @throws what the connection throws. */
export async function readGuardState(client: ClientBase, timeouts: ReadTimeouts): Promise<GuardState> {
  const row = await readOne<Row>(client, { sql: STATE_QUERY, ...timeouts });
  return {
    isCurrent: row.triggers === 2 && row.version === VERSION,
    isThere: row.triggers > 0 || row.schema,
    tables: row.tables,
  };
}

/** Puts the TRUNCATE trigger on a table, or switches it on again. */
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
