import type { ClientBase } from 'pg';

/** Gives settings to the caller's transaction; one statement, which passes over those that this version does not have. */
export async function giveSettings(
  client: ClientBase,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  await client.query(
    `SELECT pg_catalog.set_config(wanted.key, wanted.value, true)
       FROM pg_catalog.json_each_text($1) wanted
       JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = wanted.key`,
    [JSON.stringify(settings)],
  );
}
