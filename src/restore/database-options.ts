import { escapeLiteral, type Client } from 'pg';
import type { Manifest } from '../backup/backup.types.js';
import { LOCALE, type LocaleFacts } from '../backup/locale.js';
import type { ArchiveNeeds } from './archive-contents.js';

/** Which letters a database knows, and how it sorts them. */
export type DatabaseLocale = Pick<Manifest, 'encoding' | 'collation' | 'characterType' | 'locale'>;

/**
 * What follows CREATE DATABASE name WITH, for a database like the one that was dumped: PostgreSQL's own words out
 * of the archive, which know every kind of locale; a plain dump has none, and then the manifest's facts.
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

/** The locale of one database; where there is none of that name, of the one that is connected to. */
export async function localeOf(client: Client, database: string): Promise<DatabaseLocale> {
  const { rows } = await client.query<DatabaseLocale>(
    `SELECT pg_catalog.pg_encoding_to_char(encoding)::text AS encoding, datcollate::text AS collation,
            datctype::text AS "characterType", ${LOCALE} AS locale
       FROM pg_catalog.pg_database d WHERE datname IN ($1, pg_catalog.current_database())
      ORDER BY (datname = $1) DESC LIMIT 1`,
    [database],
  );
  if (!rows[0]) throw new Error('the server answered without a row');
  return rows[0];
}
