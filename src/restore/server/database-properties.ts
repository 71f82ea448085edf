import { queryOne } from '../../postgres/read.js';
import { type Client, escapeIdentifier, escapeLiteral } from 'pg';
import type { Manifest } from '../../backup/backup.types.js';
import { LOCALE, type LocaleFacts } from '../../backup/create/database-facts.js';
import { serverMessageOf } from '../../core/errors.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';

/** Settings whose value is a list of names, which is already quoted. */
const LISTS = [
  'search_path',
  'temp_tablespaces',
  'session_preload_libraries',
  'local_preload_libraries',
  'shared_preload_libraries',
];

/** The properties of a database that no archive contains: grants on it, its settings, its connection limit. */
export interface DatabaseProperties {
  readonly statements: readonly string[];
  readonly comment: string | null;
}

/** Encoding and locale of a database. */
type DatabaseLocale = Pick<Manifest, 'encoding' | 'collation' | 'characterType' | 'locale'>;

/** Reads the properties of one database as statements for another. */
export async function readProperties(
  client: Client,
  { from, to }: { from: string; to: string },
): Promise<DatabaseProperties> {
  const { rows } = await client.query<{ statement: string }>(
    `WITH d AS (SELECT oid, datdba, datacl, datconnlimit FROM pg_catalog.pg_database WHERE datname = $1)
     SELECT pg_catalog.format('ALTER DATABASE %I CONNECTION LIMIT %s', $2::text, d.datconnlimit) AS statement FROM d
     UNION ALL
     SELECT pg_catalog.format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $2::text) FROM d WHERE d.datacl IS NOT NULL
     UNION ALL
     SELECT pg_catalog.format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, $2::text,
                              CASE a.grantee WHEN 0 THEN 'PUBLIC'
                                   ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END,
                              CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
       FROM d, pg_catalog.aclexplode(d.datacl) a
     UNION ALL
     SELECT pg_catalog.concat(
              CASE s.setrole WHEN 0 THEN pg_catalog.format('ALTER DATABASE %I', $2::text)
                   ELSE pg_catalog.format('ALTER ROLE %I IN DATABASE %I', pg_catalog.pg_get_userbyid(s.setrole), $2::text) END,
              pg_catalog.format(' SET %s TO ', pg_catalog.split_part(c.entry, '=', 1)),
              CASE WHEN pg_catalog.split_part(c.entry, '=', 1) = ANY ($3)
                   THEN pg_catalog.substr(c.entry, pg_catalog.strpos(c.entry, '=') + 1)
                   ELSE pg_catalog.quote_literal(pg_catalog.substr(c.entry, pg_catalog.strpos(c.entry, '=') + 1)) END)
       FROM d JOIN pg_catalog.pg_db_role_setting s ON s.setdatabase = d.oid,
            pg_catalog.unnest(s.setconfig) c (entry)`,
    [from, to, LISTS],
  );
  const comment = await client.query<{ comment: string | null }>(
    `SELECT pg_catalog.shobj_description(oid, 'pg_database') AS comment FROM pg_catalog.pg_database WHERE datname = $1`,
    [from],
  );
  return { statements: rows.map(({ statement }) => statement), comment: comment.rows[0]?.comment ?? null };
}

/** Applies the statements one by one. @returns a note for each that failed: the restore succeeds without them. */
export async function applyProperties(client: Client, { statements }: DatabaseProperties): Promise<string[]> {
  const notes: string[] = [];
  for (const statement of statements) {
    await client.query(statement).catch((error: unknown) => {
      notes.push(`could not be carried over: ${statement} (${serverMessageOf(error)})`);
    });
  }
  return notes;
}

/** Returns the statement that sets a database's comment. */
export function commentStatement(database: string, comment: string | null): string {
  const text = comment === null ? 'NULL' : escapeLiteral(comment);
  return `COMMENT ON DATABASE ${escapeIdentifier(database)} IS ${text}`;
}

/**
 * Returns the options of CREATE DATABASE for a database like the dumped one. The archive's own options are used, which
 * cover every kind of locale; a plain dump has none, and the manifest's facts are used.
 */
export function databaseOptions(
  { databaseOptions: own }: ArchiveNeeds,
  { encoding, collation, characterType, locale }: DatabaseLocale,
): string {
  if (own !== undefined) return own;
  return [
    `TEMPLATE = template0 ENCODING = ${escapeLiteral(encoding)}`,
    `LC_COLLATE = ${escapeLiteral(collation)} LC_CTYPE = ${escapeLiteral(characterType)}`,
    ...localeOptions(locale),
  ].join(' ');
}

function localeOptions(locale: LocaleFacts | undefined): string[] {
  if (!locale || locale.provider === 'libc' || locale.name === null) return [];
  const { provider, name, rules } = locale;
  return [
    `LOCALE_PROVIDER = ${provider}`,
    `${provider === 'icu' ? 'ICU' : 'BUILTIN'}_LOCALE = ${escapeLiteral(name)}`,
    ...(rules === null ? [] : [`ICU_RULES = ${escapeLiteral(rules)}`]),
  ];
}

/** Reads the locale of a database; if it does not exist, the locale of the connected one. */
export async function localeOf(client: Client, database: string): Promise<DatabaseLocale> {
  return await queryOne<DatabaseLocale>(
    client,
    `SELECT pg_catalog.pg_encoding_to_char(encoding)::text AS encoding, datcollate::text AS collation,
            datctype::text AS "characterType", ${LOCALE} AS locale
       FROM pg_catalog.pg_database d WHERE datname IN ($1, pg_catalog.current_database())
      ORDER BY (datname = $1) DESC LIMIT 1`,
    [database],
  );
}
