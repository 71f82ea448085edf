import type { DatabaseFacts } from './database-facts.js';
import { findTool, type PostgresTool } from './postgres-tool.js';

/**
 * What a backup says that was made with a newer pg_dump than its server: PostgreSQL's own pg_restore of that version
 * begins with settings that the server does not have, and psql has to come between.
 */
export async function newerToolNotes(
  pgDump: PostgresTool,
  { serverVersion, serverMajor }: Pick<DatabaseFacts, 'serverVersion' | 'serverMajor'>,
  searchPath: string,
): Promise<string[]> {
  if (pgDump.major <= serverMajor) return [];
  const install = `apt-get install postgresql-client-${serverMajor}`;
  const made = `made with pg_dump ${pgDump.version} of PostgreSQL ${serverVersion}`;
  const psql = await findTool({ program: 'psql', atLeastMajor: serverMajor, searchPath }).catch(
    () => undefined,
  );
  if (!psql) {
    return [
      `${made}: this machine cannot restore it into PostgreSQL ${serverMajor}, because it has no psql. Install the programs of the server’s version: ${install}.`,
    ];
  }
  return [
    `${made}: \`pgkeep restore\` restores it into PostgreSQL ${serverMajor}, pg_restore ${pgDump.major} alone may stop at a setting that PostgreSQL ${serverMajor} does not have. To avoid that, install the programs of the server’s version: ${install}.`,
  ];
}
