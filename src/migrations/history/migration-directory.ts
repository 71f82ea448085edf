import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../core/errors.js';
import { packageFile } from '../../core/package-file.js';
import { boundedList } from '../../core/text.js';
import type {
  DirectoryMigration,
  HistoryRow,
  MigrationsFault,
  MigrationStatus,
} from '../migrations.types.js';

/** The script that undoes a migration, beside its `migration.sql`. Prisma ignores it. */
export const DOWN_FILE = 'down.sql';

/** pgkeep's own migrations, shipped beside its code: `prisma/migrations` of this package. */
export const OWN_MIGRATIONS_DIRECTORY = fileURLToPath(packageFile('prisma/migrations'));

/** PostgreSQL schema of pgkeep's records, and of the history of pgkeep's own migrations. */
export const OWN_SCHEMA = 'pgkeep';

interface CachedFile {
  readonly stamp: string;
  readonly checksums: readonly string[];
}

/**
 * The guarded application's migrations directory. Files are read again only when their size or time changes:
 * a thousand migrations cost a thousand `stat`s, not a thousand reads.
 */
export class MigrationDirectory {
  private readonly cache = new Map<string, CachedFile>();

  constructor(private readonly directory: string) {}

  /** Returns the migrations in the order in which Prisma applies them (by name), or why they cannot be read. */
  async read(): Promise<DirectoryMigration[] | MigrationsFault> {
    const entries = await this.list();
    if (!Array.isArray(entries)) return entries;
    const provider = await this.provider();
    if (provider !== undefined && provider !== 'postgresql') return faults.provider(this.directory, provider);
    if (entries.length === 0) return faults.empty(this.directory);
    const migrations: DirectoryMigration[] = [];
    for (const name of entries) migrations.push(this.unchanged(name) ?? (await this.readMigration(name)));
    const missing = migrations.filter(({ checksums }) => checksums.length === 0).map(({ name }) => name);
    return missing.length > 0 ? faults.fileMissing(this.directory, missing) : migrations;
  }

  private async list(): Promise<string[] | MigrationsFault> {
    try {
      const entries = await readdir(this.directory, { withFileTypes: true });
      return entries
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .toSorted();
    } catch (error) {
      return faults.missing(this.directory, messageOf(error));
    }
  }

  /** Returns a migration from the cache, where its file is unchanged. */
  private unchanged(name: string): DirectoryMigration | undefined {
    const cached = this.cache.get(name);
    return cached && cached.stamp === this.stampOf(name) ? { name, checksums: cached.checksums } : undefined;
  }

  /** Synchronously: a thousand of these take 3 ms this way and 12 ms through the thread pool (`npm run bench`). */
  private stampOf(name: string): string | undefined {
    const stats = statSync(this.fileOf(name), { throwIfNoEntry: false });
    return stats && `${stats.mtimeMs} ${stats.ctimeMs} ${stats.size}`;
  }

  private async readMigration(name: string): Promise<DirectoryMigration> {
    try {
      const stamp = this.stampOf(name) ?? '';
      const checksums = acceptedChecksums(await readFile(this.fileOf(name), 'utf8'));
      this.cache.set(name, { stamp, checksums });
      return { name, checksums };
    } catch {
      // Absent, a directory, or unreadable: Prisma refuses all of these the same way (P3015).
      this.cache.delete(name);
      return { name, checksums: [] };
    }
  }

  private fileOf(name: string): string {
    return path.join(this.directory, name, 'migration.sql');
  }

  /** Returns the provider in migration_lock.toml; undefined without the file, which Prisma accepts too. */
  private async provider(): Promise<string | undefined> {
    try {
      const text = await readFile(path.join(this.directory, 'migration_lock.toml'), 'utf8');
      return /^\s*provider\s*=\s*"([^"]*)"/m.exec(text)?.[1];
    } catch {
      return undefined;
    }
  }
}

/**
 * Returns the digests by which Prisma recognizes the file as unedited: as it is, and with the other line endings (a
 * checkout may change them); each also in the notation of early versions, which left out leading zeros of bytes.
 */
export function acceptedChecksums(script: string): string[] {
  const scripts = new Set([script, script.replaceAll('\r\n', '\n'), script.replaceAll('\n', '\r\n')]);
  return [...scripts].flatMap((text) => {
    const digest = createHash('sha256').update(text).digest();
    return [digest.toString('hex'), Array.from(digest, (byte) => byte.toString(16)).join('')];
  });
}

const faults = {
  missing: (directory: string, cause: string): MigrationsFault => ({
    code: 'MIGRATIONS_DIRECTORY_MISSING',
    text: `Cannot read the migrations directory ${directory}: ${cause}`,
    hint: 'Set MIGRATIONS_DIR to the application’s prisma/migrations, or copy them into the image.',
  }),
  empty: (directory: string): MigrationsFault => ({
    code: 'MIGRATIONS_DIRECTORY_EMPTY',
    text: `The migrations directory ${directory} holds no migration`,
    hint: 'Set MIGRATIONS_DIR to the application’s prisma/migrations, or copy them into the image.',
  }),
  provider: (directory: string, provider: string): MigrationsFault => ({
    code: 'MIGRATIONS_PROVIDER_MISMATCH',
    text: `${path.join(directory, 'migration_lock.toml')} is for ${provider}, not for postgresql`,
    hint: 'Set MIGRATIONS_DIR to the migrations of the PostgreSQL database.',
  }),
  fileMissing: (directory: string, names: readonly string[]): MigrationsFault => ({
    code: 'MIGRATIONS_FILE_MISSING',
    text: `No readable migration.sql in ${boundedList(names)} (${directory})`,
    hint: 'Restore the file from version control, or remove the empty directory.',
  }),
};

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
