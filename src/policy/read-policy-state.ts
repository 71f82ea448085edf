import type { ClientBase } from 'pg';
import { OWN_RELATIONS, POLICY_TRIGGER_PREFIX } from '../postgres/catalogue/own-relations.js';
import { readOne, type ReadTimeouts, tableExists } from '../postgres/read.js';
import type { TableRule } from './plan-policy.js';
import { INSTALLED_DIGEST } from './policy-functions.js';
import { POLICY_SCHEMA } from './policy-texts.js';
import { readTableRule } from './table-rule-json.js';

/** A trigger of pgkeep's on a table, as it is in the database. */
export interface FoundTrigger {
  readonly name: string;
  /** Of `pg_trigger`: `A` if it fires whatever `session_replication_role` is. */
  readonly enabled: string;
  /** What it does, as `signatureOf` writes it. */
  readonly signature: string;
  /** Whether it comes from a partitioned table's trigger. */
  readonly isClone: boolean;
}

/** A table that a rule is enforced on: the one that it names, a partition, or a child by inheritance. */
export interface GuardedRelation {
  /** Quoted where SQL needs it. */
  readonly name: string;
  readonly isPartition: boolean;
  readonly triggers: readonly FoundTrigger[];
}

/** A table that a rule names, as it is in the database. */
export interface FoundTable {
  /** Its owner. */
  readonly owner: string;
  /** Whether the current role has the owner's rights, which creating a trigger takes. */
  readonly isOwn: boolean;
  /** False for a view or a foreign table. */
  readonly isTable: boolean;
  /** Whether it is partitioned, or a partition. */
  readonly isPartitioned: boolean;
  /** By name: whether the column is NOT NULL. */
  readonly columns: Readonly<Record<string, boolean>>;
  /** Whether it has rows, by the statistics, which takes neither a right nor a lock. False if INSERT is refused already. */
  readonly hadRows: boolean;
  /** Itself first, then its partitions and children. */
  readonly relations: readonly GuardedRelation[];
}

/** A table that has a rule: declared, applied, or both. */
export interface PolicyTable {
  readonly schema: string;
  readonly table: string;
  /** As `pgkeep.table_policy` recorded it. */
  readonly applied: TableRule | undefined;
  readonly isSealed: boolean;
  /** Undefined if the database has no such table. */
  readonly found: FoundTable | undefined;
}

/** What the database has of the policy. */
export interface PolicyState {
  /** False if pgkeep's schema, or the table of rules, does not exist. */
  readonly isInstalled: boolean;
  /** Of the functions: undefined if their schema does not exist. */
  readonly functions:
    { readonly digest: string | null; readonly version: string | null; readonly isOwn: boolean } | undefined;
  readonly tables: readonly PolicyTable[];
  /** Tables of the application that no rule was recorded for; empty unless the policy wants a rule for every table. */
  readonly withoutRule: readonly string[];
}

interface Row extends Omit<PolicyState, 'isInstalled' | 'tables'> {
  readonly tables: readonly {
    readonly schema: string;
    readonly table: string;
    readonly rule: unknown;
    readonly is_sealed: boolean;
    readonly found: FoundTable | null;
  }[];
}

/**
 * Reads what the database has of the policy; any role can.
 * @param declared the declared rules; undefined where only what was applied is known
 * @throws what the connection throws.
 */
export async function readPolicyState(
  client: ClientBase,
  declared: readonly TableRule[] | undefined,
  timeouts: ReadTimeouts,
): Promise<PolicyState> {
  const isInstalled = await tableExists(client, { schema: 'pgkeep', table: 'table_policy' }, timeouts);
  if (!isInstalled) return { isInstalled, functions: undefined, tables: [], withoutRule: [] };
  const wanted = (declared ?? []).map(({ schema, table }) => ({ schema_name: schema, table_name: table }));
  const everyModel = declared?.some((rule) => rule.everyModel) ?? null;
  const row = await readOne<Row>(client, {
    sql: STATE_QUERY,
    values: [JSON.stringify(wanted), everyModel],
    isWithoutJit: true,
    ...timeouts,
  });
  return {
    isInstalled,
    functions: row.functions ?? undefined,
    withoutRule: row.withoutRule,
    tables: row.tables.map(({ schema, table, rule, is_sealed: isSealed, found }) => ({
      schema,
      table,
      applied: rule === null ? undefined : readTableRule(rule),
      isSealed,
      found: found ?? undefined,
    })),
  };
}

/** Without pg_get_triggerdef, and sizes: both wait for a table that another session has locked. */
const TRIGGERS = `
  SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
           'name', t.tgname, 'enabled', t.tgenabled, 'isClone', t.tgparentid <> 0,
           'signature', pg_catalog.format('%s %s %s [%s] %s', t.tgtype, f.proname,
             CASE WHEN t.tgqual IS NULL THEN 'always' WHEN t.tgqual::text ^@ '{OPEXPR :opno 3189 ' THEN 'changed' END,
             t.tgattr, pg_catalog.encode(t.tgargs, 'hex'))) ORDER BY t.tgname), '[]')
    FROM pg_catalog.pg_trigger t
    LEFT JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid AND f.pronamespace = pg_catalog.to_regnamespace('${POLICY_SCHEMA}')
   WHERE t.tgrelid = p.oid AND NOT t.tgisinternal AND t.tgname ^@ '${POLICY_TRIGGER_PREFIX}'`;

/**
 * The table `f`, its partitions and its children by inheritance, as a FROM item `p`. Looked up for each table by indexes: a
 * join of everything takes minutes where there are 10,000 tables. A child that has its own rule is not the parent's.
 */
const PARTS = `LATERAL (
    WITH RECURSIVE parts (oid, depth) AS (
      SELECT f.oid, 0 WHERE f.relkind IN ('r', 'p')
       UNION SELECT i.inhrelid, p.depth + 1
               FROM parts p
               JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid
               JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p')
              WHERE c.relispartition OR NOT EXISTS (SELECT FROM found o WHERE o.oid = i.inhrelid))
    SELECT parts.oid, parts.depth, c.relispartition, c.relkind, c.reltuples, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
      FROM parts
      JOIN pg_catalog.pg_class c ON c.oid = parts.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace) p`;

/** $1: the declared tables; $2: whether every table needs a rule, null if only what was applied is known. */
const STATE_QUERY = `
  WITH named AS (
    SELECT w.schema_name, w.table_name FROM pg_catalog.jsonb_to_recordset($1::jsonb) AS w (schema_name text, table_name text)
     UNION SELECT r.schema_name, r.table_name FROM pgkeep.table_policy r),
  found AS MATERIALIZED (
    SELECT d.schema_name, d.table_name, r.rule, r.sealed_at, c.oid, c.relkind, c.relispartition, c.relowner
      FROM named d
      LEFT JOIN pgkeep.table_policy r ON r.schema_name = d.schema_name AND r.table_name = d.table_name
      LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = d.schema_name
      LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = d.table_name AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))
  SELECT (SELECT pg_catalog.json_build_object(
                   'digest', ${INSTALLED_DIGEST}, 'version', pg_catalog.obj_description(n.oid, 'pg_namespace'),
                   'isOwn', pg_catalog.pg_has_role(n.nspowner, 'USAGE'))
            FROM pg_catalog.pg_namespace n WHERE n.nspname = '${POLICY_SCHEMA}') AS functions,
         (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
                   'schema', f.schema_name, 'table', f.table_name, 'rule', f.rule, 'is_sealed', f.sealed_at IS NOT NULL,
                   'found', CASE WHEN f.oid IS NOT NULL THEN pg_catalog.json_build_object(
                      'owner', pg_catalog.pg_get_userbyid(f.relowner),
                      'isOwn', pg_catalog.pg_has_role(f.relowner, 'USAGE'),
                      'isTable', f.relkind IN ('r', 'p'),
                      'isPartitioned', f.relkind = 'p' OR f.relispartition,
                      'columns', (SELECT coalesce(pg_catalog.json_object_agg(a.attname, a.attnotnull), '{}')
                                    FROM pg_catalog.pg_attribute a
                                   WHERE a.attrelid = f.oid AND a.attnum > 0 AND NOT a.attisdropped),
                      'hadRows', f.sealed_at IS NULL AND EXISTS (
                        SELECT FROM ${PARTS}
                         WHERE p.relkind = 'r' AND (p.reltuples > 0 OR pg_catalog.pg_stat_get_live_tuples(p.oid) > 0)),
                      'relations', (
                        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
                                 'name', p.name, 'isPartition', p.relispartition, 'triggers', (${TRIGGERS}))
                                 ORDER BY p.depth, p.name), '[]')
                          FROM ${PARTS})) END)
                   ORDER BY f.schema_name, f.table_name), '[]')
            FROM found f) AS tables,
         (SELECT coalesce(pg_catalog.json_agg(o.name ORDER BY o.name), '[]')
            FROM ${OWN_RELATIONS} o
            JOIN pg_catalog.pg_class c ON c.oid = o.oid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE coalesce($2::boolean, EXISTS (SELECT FROM pgkeep.table_policy r WHERE r.rule @> '{"everyModel": true}'))
             AND o.relkind IN ('r', 'p') AND n.nspname <> 'pgkeep' AND c.relname <> '_prisma_migrations'
             AND o.oid NOT IN (SELECT p.oid FROM found f, ${PARTS})) AS "withoutRule"`;
