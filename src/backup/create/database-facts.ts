import type { ClientBase } from 'pg';
import { queryOne } from '../../postgres/read.js';

/** The provider of a database's collation rules. */
export interface LocaleFacts {
  readonly provider: 'libc' | 'icu' | 'builtin';
  /** ICU's or the built-in locale's name; null with libc. */
  readonly name: string | null;
  /** ICU's additional rules. */
  readonly rules: string | null;
}

/** An expression for a row `d` of pg_database. It uses JSON because the columns differ between major versions. */
export const LOCALE = `(
  SELECT pg_catalog.json_build_object(
           'provider', CASE j->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
           'name', coalesce(j->>'datlocale', j->>'daticulocale'),
           'rules', j->>'daticurules')
    FROM pg_catalog.to_jsonb(d) j)`;

/** Facts about the database and its server that a backup needs. */
export interface DatabaseFacts {
  readonly database: string;
  readonly databaseOid: string;
  readonly sizeBytes: number;
  readonly role: string;
  readonly isSuperuser: boolean;
  /** `15.18` */
  readonly serverVersion: string;
  readonly serverMajor: number;
  readonly inRecovery: boolean;
  readonly encoding: string;
  readonly collation: string;
  readonly characterType: string;
  readonly locale: LocaleFacts;
}

interface Row {
  readonly database: string;
  readonly database_oid: string;
  readonly size_bytes: string;
  readonly role: string;
  readonly is_superuser: boolean;
  readonly version: string;
  readonly version_number: number;
  readonly in_recovery: boolean;
  readonly encoding: string;
  readonly collation: string;
  readonly character_type: string;
  readonly locale: LocaleFacts;
}

/** Reads the facts, in the caller's transaction. */
export async function readDatabaseFacts(client: ClientBase): Promise<DatabaseFacts> {
  const row = await queryOne<Row>(
    client,
    `
    SELECT d.datname::text AS database, d.oid::text AS database_oid,
           pg_catalog.pg_database_size(d.oid)::text AS size_bytes, current_user::text AS role,
           pg_catalog.current_setting('is_superuser') = 'on' AS is_superuser,
           pg_catalog.current_setting('server_version') AS version,
           pg_catalog.current_setting('server_version_num')::int AS version_number,
           pg_catalog.pg_is_in_recovery() AS in_recovery,
           pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
           d.datcollate::text AS collation, d.datctype::text AS character_type,
           ${LOCALE} AS locale
      FROM pg_catalog.pg_database d
     WHERE d.datname = pg_catalog.current_database()`,
  );
  return {
    database: row.database,
    databaseOid: row.database_oid,
    sizeBytes: Number(row.size_bytes),
    role: row.role,
    isSuperuser: row.is_superuser,
    serverVersion: row.version.split(' ')[0] ?? row.version,
    serverMajor: Math.floor(row.version_number / 10_000),
    inRecovery: row.in_recovery,
    encoding: row.encoding,
    collation: row.collation,
    characterType: row.character_type,
    locale: row.locale,
  };
}
