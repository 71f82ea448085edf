import { escapeIdentifier, type ClientBase } from 'pg';

/**
 * The applied migrations, read in the caller's transaction; undefined where there is no `_prisma_migrations`.
 * @throws what the connection throws.
 */
export async function readAppliedMigrations(
  client: ClientBase,
  schema: string,
): Promise<{ name: string; checksum: string }[] | undefined> {
  const table = `${escapeIdentifier(schema)}._prisma_migrations`;
  const found = await client.query<{ found: boolean }>(
    'SELECT pg_catalog.to_regclass($1) IS NOT NULL AS found',
    [table],
  );
  if (found.rows[0]?.found !== true) return undefined;
  const { rows } = await client.query<{ name: string; checksum: string }>(
    `SELECT migration_name AS name, checksum FROM ${table}
      WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL
      ORDER BY migration_name COLLATE "C", started_at`,
  );
  return rows;
}
