import type { DirectoryMigration, HistoryRow, MigrationStatus } from '../migrations.types.js';

/** Compares this build's migrations with the database's history. Pure. */
export function compareMigrations(
  directory: readonly DirectoryMigration[],
  rows: readonly HistoryRow[],
): MigrationStatus {
  const attempts = new Map<string, HistoryRow[]>();
  for (const row of rows) attempts.set(row.name, [...(attempts.get(row.name) ?? []), row]);
  const known = new Set(directory.map(({ name }) => name));
  const lists: Record<Exclude<keyof MigrationStatus, 'unknown'>, string[]> = {
    applied: [],
    pending: [],
    failed: [],
    rolledBack: [],
    edited: [],
  };
  for (const migration of directory) {
    const own = attempts.get(migration.name) ?? [];
    lists[stateOf(own)].push(migration.name);
    const success = own.findLast(isApplied);
    if (success && !migration.checksums.includes(success.checksum)) lists.edited.push(migration.name);
  }
  // A migration that was rolled back is not in the database, whether its directory exists or not.
  const unknown = [...attempts]
    .filter(([name, own]) => !known.has(name) && own.some(({ rolledBack }) => !rolledBack))
    .map(([name]) => name)
    .toSorted();
  return { ...lists, unknown };
}

function stateOf(attempts: readonly HistoryRow[]): 'applied' | 'pending' | 'failed' | 'rolledBack' {
  if (attempts.some(({ finished, rolledBack }) => !finished && !rolledBack)) return 'failed';
  if (attempts.some(isApplied)) return 'applied';
  return attempts.length > 0 ? 'rolledBack' : 'pending';
}

function isApplied({ finished, rolledBack }: HistoryRow): boolean {
  return finished && !rolledBack;
}
