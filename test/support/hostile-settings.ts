import { Client, escapeIdentifier, escapeLiteral } from 'pg';

/** Settings that refuse, end, hide or reinterpret what is sent; each is a reasonable default for some database. */
const SETTINGS: Readonly<Record<string, string>> = {
  default_transaction_read_only: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  statement_timeout: '400ms',
  lock_timeout: '50ms',
  idle_in_transaction_session_timeout: '100ms',
  idle_session_timeout: '300ms',
  search_path: 'evil, pg_catalog',
  DateStyle: 'German, DMY',
  IntervalStyle: 'sql_standard',
  TimeZone: 'Asia/Tokyo',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  client_encoding: 'LATIN1',
  standard_conforming_strings: 'off',
  escape_string_warning: 'off',
  array_nulls: 'off',
  transform_null_equals: 'on',
  quote_all_identifiers: 'on',
  xmloption: 'document',
  row_security: 'off',
  check_function_bodies: 'off',
  gin_fuzzy_search_limit: '1',
  session_replication_role: 'replica',
};

/** Functions and operators that shadow PostgreSQL's if search_path names their schema first. */
const SHADOWS = `
  CREATE SCHEMA IF NOT EXISTS evil;
  GRANT USAGE ON SCHEMA evil TO PUBLIC;
  CREATE OR REPLACE FUNCTION evil.current_database() RETURNS name LANGUAGE sql AS 'SELECT ''fooled''::name';
  CREATE OR REPLACE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''2001-01-01''::timestamptz';
  CREATE OR REPLACE FUNCTION evil.differs(int4, int4) RETURNS bool LANGUAGE sql AS 'SELECT false';
  CREATE OPERATOR evil.= (LEFTARG = int4, RIGHTARG = int4, FUNCTION = evil.differs);`;

/** A session that is not affected by these settings. */
export async function unhindered<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const options =
    '-c default_transaction_read_only=off -c search_path=public -c statement_timeout=0 -c idle_session_timeout=0 -c lock_timeout=0 -c client_encoding=UTF8 -c DateStyle=ISO -c bytea_output=hex -c extra_float_digits=1 -c timezone=UTC';
  const client = new Client({ connectionString: url.replace(/\?.*$/, ''), options });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Sets all of them: for every session of the database, and for every role on the server. */
export async function makeHostile(url: string): Promise<void> {
  await unhindered(url, async (client) => {
    const { rows } = await client.query<{ name: string }>('SELECT current_database()::text AS name');
    await client.query(SHADOWS);
    for (const [name, value] of Object.entries(SETTINGS)) {
      const literal = name === 'search_path' ? value : escapeLiteral(value);
      await client.query(`ALTER DATABASE ${escapeIdentifier(rows[0]?.name ?? '')} SET ${name} = ${literal}`);
      await client.query(`ALTER ROLE ALL SET ${name} = ${literal}`);
    }
  });
}
