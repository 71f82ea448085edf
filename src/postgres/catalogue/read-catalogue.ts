import type { Client } from 'pg';
import { OWN_RELATIONS, POLICY_TRIGGER_PREFIX } from './own-relations.js';

/** The sections of a fingerprint; each is a list of lines, one per object, sorted. */
export const CATALOGUE_SECTIONS = [
  'relations',
  'columns',
  'constraints',
  'indexes',
  'triggers',
  'rowSecurity',
  'extensions',
] as const;

export type CatalogueSection = (typeof CATALOGUE_SECTIONS)[number];

/**
 * Fingerprint of a database's structure, line by line, so that a comparison can name what differs. Definitions
 * are in the form that a restore leaves unchanged (see `comparableDefinition`).
 */
export type Catalogue = Readonly<Record<CatalogueSection, readonly string[]>>;

/** One query a section: `subject` is compared as it is, `definition` as `comparableDefinition` has it. */
const CATALOGUE_QUERIES: Readonly<Record<CatalogueSection, string>> = {
  relations: `
    SELECT pg_catalog.concat_ws(' ', r.relkind::text, r.name,
             CASE r.relpersistence WHEN 'u' THEN 'unlogged' END,
             CASE WHEN r.relkind = 'm' AND NOT r.relispopulated THEN 'not populated' END) AS subject,
           pg_catalog.concat_ws(' ',
             CASE r.relkind WHEN 'p' THEN pg_catalog.pg_get_partkeydef(r.oid) END,
             pg_catalog.pg_get_expr(r.relpartbound, r.oid)) AS definition
      FROM ${OWN_RELATIONS} r
     WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')`,
  columns: `
    SELECT pg_catalog.concat_ws(' ', pg_catalog.format('%s.%I', r.name, a.attname),
             pg_catalog.format_type(a.atttypid, a.atttypmod),
             CASE WHEN a.attnotnull THEN 'not null' END,
             CASE WHEN a.attidentity <> '' THEN 'identity ' || a.attidentity::text END,
             CASE WHEN a.attgenerated <> '' THEN 'generated ' || a.attgenerated::text END,
             CASE WHEN a.attcollation <> t.typcollation
                  THEN (SELECT pg_catalog.format('collate %I', o.collname)
                          FROM pg_catalog.pg_collation o WHERE o.oid = a.attcollation) END) AS subject,
           pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS definition
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f')`,
  constraints: `
    SELECT pg_catalog.concat_ws(' ', pg_catalog.format('%s %I', r.name, c.conname), c.contype::text,
             CASE WHEN NOT c.convalidated THEN 'not validated' END) AS subject,
           pg_catalog.pg_get_constraintdef(c.oid) AS definition
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid
     WHERE c.contype <> 't'`,
  indexes: `
    SELECT pg_catalog.concat_ws(' ', r.name, CASE WHEN NOT i.indisvalid THEN 'invalid' END) AS subject,
           pg_catalog.pg_get_indexdef(r.oid) AS definition
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_index i ON i.indexrelid = r.oid`,
  triggers: `
    SELECT pg_catalog.format('%s %I %s', r.name, t.tgname, t.tgenabled) AS subject,
           pg_catalog.pg_get_triggerdef(t.oid) AS definition
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
     WHERE (t.tgname NOT LIKE 'pgkeep\\_%' OR t.tgname ^@ '${POLICY_TRIGGER_PREFIX}')
    UNION ALL
    SELECT pg_catalog.format('%s foreign key %I %s', r.name, c.conname,
                             pg_catalog.string_agg(t.tgenabled::text, '' ORDER BY t.tgtype)),
           NULL
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND t.tgisinternal
      JOIN pg_catalog.pg_constraint c ON c.oid = t.tgconstraint AND c.conrelid = r.oid
     WHERE c.contype = 'f'
     GROUP BY r.name, c.conname
    UNION ALL
    SELECT pg_catalog.format('event trigger %I %s on %s', e.evtname, e.evtenabled, e.evtevent), NULL
      FROM pg_catalog.pg_event_trigger e
     WHERE e.evtname NOT LIKE 'pgkeep\\_%'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass
                          AND d.objid = e.oid AND d.deptype = 'e')`,
  rowSecurity: `
    SELECT pg_catalog.concat_ws(' ', r.name, 'row security',
             CASE WHEN r.relrowsecurity THEN 'enabled' END,
             CASE WHEN r.relforcerowsecurity THEN 'forced' END) AS subject,
           NULL AS definition
      FROM ${OWN_RELATIONS} r
     WHERE r.relrowsecurity OR r.relforcerowsecurity
    UNION ALL
    SELECT pg_catalog.format('%s policy %I %s %s', r.name, p.polname, p.polcmd,
                             CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END),
           pg_catalog.concat_ws(' check ', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
                                pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid`,
  extensions: `
    SELECT pg_catalog.format('%I %s in %I', e.extname, e.extversion, n.nspname) AS subject, NULL AS definition
      FROM pg_catalog.pg_extension e
      JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace`,
};

/** Reads the fingerprint of the database's structure, in the caller's transaction. */
export async function readCatalogue(client: Client): Promise<Catalogue> {
  const section = async (name: CatalogueSection): Promise<string[]> => {
    const { rows } = await client.query<{ subject: string; definition: string | null }>(
      CATALOGUE_QUERIES[name],
    );
    return rows
      .map(({ subject, definition }) => [subject, definition && comparableDefinition(definition)])
      .map((parts) => parts.filter(Boolean).join(': '))
      .toSorted();
  };
  return {
    relations: await section('relations'),
    columns: await section('columns'),
    constraints: await section('constraints'),
    indexes: await section('indexes'),
    triggers: await section('triggers'),
    rowSecurity: await section('rowSecurity'),
    extensions: await section('extensions'),
  };
}

/** What is quoted: a string, or an identifier. */
const QUOTED = /('(?:[^']|'')*'|"(?:[^"]|"")*")/;

/** A cast to a type: `::text`, `::character varying(20)[]`, `::public.mood`. */
const CAST =
  /::(?:character varying|double precision|bit varying|timestamp with(?:out)? time zone|time with(?:out)? time zone|[\w.]+)(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])*/g;

/**
 * A definition as a comparison wants it. PostgreSQL does not write the same expression the same way after a
 * restore (`'a'::character varying … ::text[]` becomes `('a'::character varying)::text`): casts, parentheses and
 * blanks outside of quotes are left out. Which column, operator, constant, action and state it is remains.
 */
export function comparableDefinition(definition: string): string {
  return definition
    .split(QUOTED)
    .map((part, index) => (index % 2 === 1 ? part : comparableWords(part)))
    .filter((part) => part !== '')
    .join(' ');
}

function comparableWords(unquoted: string): string {
  return unquoted
    .replaceAll(CAST, ' ')
    .replaceAll(/[()]/g, ' ')
    .replaceAll(/[[\],]/g, ' $& ')
    .trim()
    .replaceAll(/\s+/g, ' ');
}
