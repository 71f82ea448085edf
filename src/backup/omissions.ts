import type { Client } from 'pg';
import { OWN_RELATIONS } from '../postgres/catalogue/own-relations.js';
import type { DatabaseFacts } from './database-facts.js';

/** What pg_dump leaves out without failing, and why; in the order that texts have. */
export const OMISSION_KINDS = ['userMappingOptions', 'subscriptions', 'unloggedRows'] as const;
export type OmissionKind = (typeof OMISSION_KINDS)[number];

/** Something of the database that is not in a backup of it. Holds no secret. */
export interface Omission {
  readonly kind: OmissionKind;
  /** Names, quoted where SQL needs it; of a user mapping `ROLE SERVER name`, as ALTER USER MAPPING FOR takes it. */
  readonly objects: readonly string[];
}

/** Reads what a dump by this role from this server will not hold, in the caller's transaction. */
export async function readOmissions(
  client: Client,
  { isSuperuser, inRecovery }: DatabaseFacts,
): Promise<Omission[]> {
  const found: Readonly<Record<OmissionKind, string[]>> = {
    userMappingOptions: isSuperuser ? [] : await readHiddenMappings(client),
    subscriptions: isSuperuser ? [] : await readSubscriptions(client),
    unloggedRows: inRecovery ? await readNames(client, UNLOGGED) : [],
  };
  return OMISSION_KINDS.map((kind) => ({ kind, objects: found[kind] })).filter(
    ({ objects }) => objects.length > 0,
  );
}

/**
 * Reads the names of the database's subscriptions. pg_dump passes over them, with a warning, unless a superuser runs it:
 * they hold connection strings.
 */
export async function readSubscriptions(client: Client): Promise<string[]> {
  return await readNames(
    client,
    `SELECT pg_catalog.quote_ident(s.subname) AS name
       FROM pg_catalog.pg_subscription s
       JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
      WHERE d.datname = pg_catalog.current_database()`,
  );
}

/** A standby has no rows of them. */
const UNLOGGED = `
  SELECT r.name FROM ${OWN_RELATIONS} r WHERE r.relkind = 'r' AND r.relpersistence = 'u'`;

const MAPPING = `
  pg_catalog.format('%s SERVER %I', CASE v.umuser WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(v.usename) END, v.srvname)`;

/** The view shows options as null to who may not see them, and pg_dump takes that for none. */
async function readHiddenMappings(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ may: boolean }>(
    `SELECT pg_catalog.has_table_privilege('pg_catalog.pg_user_mapping', 'SELECT') AS may`,
  );
  // Without the table it is not known whether a mapping has options. Most have, or it would be of no use.
  const hidden = rows[0]?.may
    ? `EXISTS (SELECT FROM pg_catalog.pg_user_mapping m WHERE m.oid = v.umid AND m.umoptions IS NOT NULL)`
    : `NOT CASE v.umuser WHEN 0 THEN pg_catalog.pg_has_role(s.srvowner, 'USAGE')
                         ELSE v.usename = current_user
                              AND (pg_catalog.pg_has_role(s.srvowner, 'USAGE')
                                   OR pg_catalog.has_server_privilege(s.oid, 'USAGE')) END`;
  return await readNames(
    client,
    `SELECT ${MAPPING} AS name
       FROM pg_catalog.pg_user_mappings v
       JOIN pg_catalog.pg_foreign_server s ON s.oid = v.srvid
      WHERE v.umoptions IS NULL AND ${hidden}`,
  );
}

async function readNames(client: Client, sql: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`${sql} ORDER BY name`);
  return rows.map(({ name }) => name);
}
