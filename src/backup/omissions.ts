import type { Client } from 'pg';
import { boundedList, pluralOf } from '../core/text.js';
import { HAS_ROWS_IN_BACKUP, OWN_RELATIONS } from '../postgres/catalogue/own-relations.js';
import { queryOne } from '../postgres/read.js';
import type { Manifest } from './backup.types.js';
import type { DatabaseFacts } from './create/database-facts.js';
import { FIRST_OWN_OID } from './create/structure-changes.js';

/** What pg_dump leaves out without failing, in the order of the texts. */
export const OMISSION_KINDS = ['userMappingOptions', 'subscriptions', 'unloggedRows'] as const;

export type OmissionKind = (typeof OMISSION_KINDS)[number];

/** Something that is not in a backup of the database. Contains no secret. */
export interface Omission {
  readonly kind: OmissionKind;
  /** Names, quoted if SQL needs it; of a user mapping `ROLE SERVER name`, as in ALTER USER MAPPING FOR. */
  readonly objects: readonly string[];
}

/** Reads what a dump by this role will not contain, and what a restore cannot create, or only as a superuser. */
export async function readCompleteness(
  client: Client,
  facts: DatabaseFacts,
): Promise<Required<Pick<Manifest, 'without' | 'subscriptions' | 'superuserObjects'>>> {
  return {
    without: await readOmissions(client, facts),
    subscriptions: facts.isSuperuser ? await readSubscriptions(client) : [],
    superuserObjects: await readSuperuserObjects(client, facts),
  };
}

/** Reads what a dump by this role from this server will not contain, in the caller's transaction. */
async function readOmissions(
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
 * Reads the names of the database's subscriptions. Unless a superuser runs it, pg_dump skips them with a warning, because
 * they contain connection strings.
 */
async function readSubscriptions(client: Client): Promise<string[]> {
  return await readNames(
    client,
    `SELECT pg_catalog.quote_ident(s.subname) AS name
       FROM pg_catalog.pg_subscription s
       JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
      WHERE d.datname = pg_catalog.current_database()`,
  );
}

/** Unlogged tables, whose rows a standby does not have. */
const UNLOGGED = `
  SELECT r.name FROM ${OWN_RELATIONS} r WHERE r.relkind = 'r' AND r.relpersistence = 'u' AND ${HAS_ROWS_IN_BACKUP}`;

const MAPPING = `
  pg_catalog.format('%s SERVER %I', CASE v.umuser WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(v.usename) END, v.srvname)`;

/** Reads user mappings whose options the role may not see: the view shows them as null, which pg_dump takes for none. */
async function readHiddenMappings(client: Client): Promise<string[]> {
  const { may } = await queryOne<{ may: boolean }>(
    client,
    `SELECT pg_catalog.has_table_privilege('pg_catalog.pg_user_mapping', 'SELECT') AS may`,
  );
  // Without access to the table it is not known whether a mapping has options. Most have, so it counts as having some.
  const hidden = may
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

/** `FOR TABLES IN SCHEMA` came with this version. */
const FIRST_WITH_PUBLISHED_SCHEMAS = 15;

/** Queries of what only a superuser may create: the oid of the catalogue and of the object. */
const CREATED_BY_SUPERUSERS = [
  `SELECT 'pg_catalog.pg_event_trigger'::pg_catalog.regclass, e.oid FROM pg_catalog.pg_event_trigger e
    WHERE e.evtname !~ '^pgkeep_'`,
  `SELECT 'pg_catalog.pg_publication'::pg_catalog.regclass, p.oid FROM pg_catalog.pg_publication p WHERE p.puballtables`,
  // The column "trusted" came with PostgreSQL 13.
  `SELECT 'pg_catalog.pg_extension'::pg_catalog.regclass, e.oid
     FROM pg_catalog.pg_extension e
     JOIN pg_catalog.pg_available_extension_versions() v ON v.name = e.extname AND v.version = e.extversion
    WHERE v.superuser AND NOT coalesce((pg_catalog.to_jsonb(v) ->> 'trusted')::boolean, false)`,
  `SELECT 'pg_catalog.pg_language'::pg_catalog.regclass, l.oid FROM pg_catalog.pg_language l WHERE l.lanispl`,
  `SELECT 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, w.oid FROM pg_catalog.pg_foreign_data_wrapper w`,
  `SELECT 'pg_catalog.pg_am'::pg_catalog.regclass, a.oid FROM pg_catalog.pg_am a`,
  `SELECT 'pg_catalog.pg_opclass'::pg_catalog.regclass, o.oid FROM pg_catalog.pg_opclass o`,
  `SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.oid FROM pg_catalog.pg_opfamily o`,
  `SELECT 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, p.oid FROM pg_catalog.pg_ts_parser p`,
  `SELECT 'pg_catalog.pg_ts_template'::pg_catalog.regclass, t.oid FROM pg_catalog.pg_ts_template t`,
  `SELECT 'pg_catalog.pg_cast'::pg_catalog.regclass, c.oid FROM pg_catalog.pg_cast c WHERE c.castmethod = 'b'`,
  `SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid FROM pg_catalog.pg_type t WHERE t.typtype = 'b'`,
  // In C or another language that is not trusted, LEAKPROOF, or with a setting that only a superuser may change.
  `SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid
     FROM pg_catalog.pg_proc p
     JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE NOT l.lanpltrusted OR p.proleakproof
       OR EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) c (setting)
                    JOIN pg_catalog.pg_settings s ON s.name = pg_catalog.split_part(c.setting, '=', 1)
                   WHERE s.context IN ('superuser', 'superuser-backend'))`,
];

const PUBLISHED_SCHEMAS = `
  SELECT 'pg_catalog.pg_publication'::pg_catalog.regclass, n.pnpubid FROM pg_catalog.pg_publication_namespace n`;

/**
 * Reads the objects that only a superuser may create, in PostgreSQL's words (`event trigger audit`): another role cannot
 * restore them. Members of extensions are left out: the extension creates them.
 */
async function readSuperuserObjects(client: Client, { serverMajor }: DatabaseFacts): Promise<string[]> {
  const queries = [
    ...CREATED_BY_SUPERUSERS,
    ...(serverMajor >= FIRST_WITH_PUBLISHED_SCHEMAS ? [PUBLISHED_SCHEMAS] : []),
  ];
  const { rows } = await client.query<{ name: string }>(`
    SELECT DISTINCT pg_catalog.pg_describe_object(o.classid, o.objid, 0) COLLATE "C" AS name
      FROM (${queries.join('\nUNION ALL\n')}) o (classid, objid)
     WHERE o.objid >= ${FIRST_OWN_OID}
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype IN ('e', 'i'))
     ORDER BY name`);
  return rows.map(({ name }) => name);
}

/** How many names a text shows. */
const SHOWN = 10;

/** pg_dump's warning about an omission that is reported already. */
const EXPLAINED_WARNING = /subscriptions not dumped because current user is not a superuser/;

interface Texts {
  /** What is missing, singular and plural. */
  readonly what: readonly [string, string];
  readonly why: string;
  /** How to get it into the next backup, or back after a restore of this one. */
  readonly remedy: (object: string) => string;
}

const TEXTS: Readonly<Record<OmissionKind, Texts>> = {
  userMappingOptions: {
    what: ['the options of the user mapping for', 'the options of the user mappings for'],
    why: 'only a superuser can read them, so pg_dump left them out',
    remedy: (object) =>
      `Back up as a superuser, or set them again after a restore: ALTER USER MAPPING FOR ${object} OPTIONS (ADD user '…', ADD password '…');`,
  },
  subscriptions: {
    what: ['the subscription', 'the subscriptions'],
    why: 'only a superuser can read them, so pg_dump left them out',
    remedy: (object) =>
      `Back up as a superuser, or keep the command that creates it: CREATE SUBSCRIPTION ${object} …;`,
  },
  unloggedRows: {
    what: ['the rows of the unlogged table', 'the rows of the unlogged tables'],
    why: 'a standby does not have them',
    remedy: () => 'Back up the primary to keep them.',
  },
};

/** Returns what a backup does not contain, one phrase each: `the subscription clinic_feed`. */
export function omissionTexts(omissions: readonly Omission[] | undefined): string[] {
  return (omissions ?? []).map(({ kind, objects }) => {
    const [one, several] = TEXTS[kind].what;
    return `${pluralOf(objects.length, one, several)} ${boundedList(objects, SHOWN)}`;
  });
}

/** Returns why something is missing and what to do, pg_dump's warnings, and what this role cannot restore. */
export function notesOn(
  { without = [], superuserObjects = [] }: Pick<Manifest, 'without' | 'superuserObjects'>,
  { role, isSuperuser }: Pick<DatabaseFacts, 'role' | 'isSuperuser'>,
  warnings: readonly string[],
): string[] {
  const explained = without.flatMap((omission) => {
    const { why, remedy } = TEXTS[omission.kind];
    return omissionTexts([omission]).map((what) => `${what}: ${why}. ${remedy(omission.objects[0] ?? '')}`);
  });
  const isRestorable = isSuperuser || superuserObjects.length === 0;
  return [
    ...explained,
    ...warnings.filter((line) => !EXPLAINED_WARNING.test(line)),
    ...(isRestorable
      ? []
      : [
          `role "${role}" cannot restore it: only a superuser may create ${boundedList(superuserObjects, SHOWN)}`,
        ]),
  ];
}

/** Returns `, without A, and without B` to append to a verdict; empty if nothing is missing. */
export function withoutText(phrases: readonly string[]): string {
  return phrases.length === 0 ? '' : `, without ${phrases.join(', and without ')}`;
}
