import type { ClientBase } from 'pg';

/** Makes values and definitions read the same, whatever the settings of the database and the role are. */
export const STEADY_OUTPUT = {
  search_path: '',
  datestyle: 'ISO, YMD',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '3',
  lc_monetary: 'C',
  xmloption: 'content',
  quote_all_identifiers: 'off',
} as const;

/** Overrides settings of the database or the role that would refuse, end or reinterpret statements. */
const UNRESTRICTED = {
  default_transaction_read_only: 'off',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
  session_replication_role: 'origin',
} as const;

/**
 * The purpose of a session. `own`: pgkeep's own statements, which must read the same everywhere. `scripts`: the
 * application's migrations, which keep the settings that a script depends on (DateStyle, TimeZone, tablespaces).
 */
export type SessionPurpose = 'own' | 'scripts';

/** Settings of a session, by name; the server skips those that its version does not have. */
export const SESSION_SETTINGS: Readonly<Record<SessionPurpose, Readonly<Record<string, string>>>> = {
  own: { ...UNRESTRICTED, ...STEADY_OUTPUT, row_security: 'on', gin_fuzzy_search_limit: '0' },
  scripts: UNRESTRICTED,
};

/** For the programs of PostgreSQL, which set the others themselves. Every version has these settings. */
const PROGRAM_SETTINGS = [
  'default_transaction_read_only',
  'default_transaction_isolation',
  'default_transaction_deferrable',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'standard_conforming_strings',
  'array_nulls',
  'transform_null_equals',
] as const satisfies readonly (keyof typeof UNRESTRICTED)[];

/** Returns them as start-up options, for `PGOPTIONS`; they override the options of the URL. */
export function programOptions(urlOptions: string | undefined): string {
  const own = PROGRAM_SETTINGS.map((name) => `-c ${name}=${UNRESTRICTED[name].replaceAll(' ', '\\ ')}`);
  return [...(urlOptions === undefined ? [] : [urlOptions]), ...own].join(' ');
}

/** Only a superuser can set these; for other roles they keep their value. */
const SUPERUSER_ONLY = ['session_replication_role'];

/**
 * Sets `$2` (JSON) for the session, if the process id of the backend is the announced one, `$1`: behind a pooler it is
 * not, and nothing is set. One round trip; returns the process id of the backend.
 */
export const TAKE_SESSION = `
  SELECT pg_catalog.pg_backend_pid() AS pid,
         (SELECT pg_catalog.count(pg_catalog.set_config(wanted.key, wanted.value, false))
            FROM pg_catalog.json_each_text($2::pg_catalog.json) wanted
           WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) $1::pg_catalog.int4
             AND pg_catalog.current_setting(wanted.key, true) IS NOT NULL
             AND (wanted.key OPERATOR(pg_catalog.<>) ALL (ARRAY[${SUPERUSER_ONLY.map((name) => `'${name}'`).join(', ')}]::pg_catalog.text[])
                  OR pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on'::pg_catalog.text)) AS settings`;

/** Sets settings in the caller's transaction, in one statement, which skips those that this version does not have. */
export async function setLocalSettings(
  client: ClientBase,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  await setSettings(client, settings, true);
}

/** The same for the rest of the session: of a dedicated connection only, because it would leak behind a pooler. */
export async function setSessionSettings(
  client: ClientBase,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  await setSettings(client, settings, false);
}

async function setSettings(
  client: ClientBase,
  settings: Readonly<Record<string, string>>,
  isLocal: boolean,
): Promise<void> {
  await client.query(
    `SELECT pg_catalog.set_config(wanted.key, wanted.value, $2)
       FROM pg_catalog.json_each_text($1) wanted
       JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = wanted.key`,
    [JSON.stringify(settings), isLocal],
  );
}
