import type { Client } from 'pg';
import type { DatabaseFacts } from './database-facts.js';

/** `FOR TABLES IN SCHEMA` came with this version. */
const FIRST_WITH_PUBLISHED_SCHEMAS = 15;

/** What only a superuser may create, as `SELECT` of a catalogue's oid and an object's. */
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
 * Reads which objects of the database only a superuser may create, in PostgreSQL's words (`event trigger audit`): a
 * role that is none cannot restore them. Members of extensions come with these.
 */
export async function readSuperuserObjects(
  client: Client,
  { serverMajor }: DatabaseFacts,
): Promise<string[]> {
  const queries = [
    ...CREATED_BY_SUPERUSERS,
    ...(serverMajor >= FIRST_WITH_PUBLISHED_SCHEMAS ? [PUBLISHED_SCHEMAS] : []),
  ];
  const { rows } = await client.query<{ name: string }>(`
    SELECT DISTINCT pg_catalog.pg_describe_object(o.classid, o.objid, 0) COLLATE "C" AS name
      FROM (${queries.join('\nUNION ALL\n')}) o (classid, objid)
     WHERE o.objid >= 16384
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype IN ('e', 'i'))
     ORDER BY name`);
  return rows.map(({ name }) => name);
}
