import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import type { MigrationStatus } from '../migrations.types.js';
import type { Baseline } from './baseline.js';
import { digestOf } from './baseline.js';
import { changedSqlFiles } from './changed-files.js';
import type { LintFile } from './lint.types.js';
import type { LintOptions, LintRun } from './lint-run.types.js';
import { filesNamed, historyOf, migrationsIn, readBytes, type FoundFile } from './migration-files.js';

/** Where to look, and what is known. */
export interface ScopeFacts {
  readonly migrationsDirectory: string;
  readonly searchPath: string;
  /** Undefined where no database told it. */
  readonly status: MigrationStatus | undefined;
  readonly baseline: Baseline;
}

/** The files to lint, their history before them. */
export interface Scope {
  readonly name: LintRun['scope'];
  readonly files: readonly LintFile[];
  readonly baselined: number;
}

interface Chosen extends FoundFile {
  readonly isJudged: boolean;
  readonly isStray?: boolean;
}

/**
 * Finds the files and reads them.
 * @throws KeepError `MIGRATIONS_UNREADABLE`, or `USAGE_INVALID` for a path or a reference that is not there.
 */
export async function findScope(options: LintOptions, facts: ScopeFacts): Promise<Scope> {
  const { name, chosen } = await choose(options, facts);
  let baselined = 0;
  const files: LintFile[] = [];
  for (const { file, migration, isJudged, isStray = false, isNamed = false } of chosen) {
    const content = readBytes(file);
    const isKnown =
      isJudged && !isStray && !isNamed && facts.baseline.get(migration ?? '') === digestOf(content);
    if (isKnown) baselined += 1;
    const { status } = facts;
    const isOwn =
      migration !== undefined && file === path.join(facts.migrationsDirectory, migration, 'migration.sql');
    files.push({
      path: path.relative(process.cwd(), file),
      content,
      ...(migration !== undefined && { migration }),
      isJudged: isJudged && !isKnown,
      isStray,
      ...(status && isOwn && { isPending: !status.applied.includes(migration) }),
      isEdited: isOwn && status?.edited.includes(migration) === true,
    });
  }
  return { name, files, baselined };
}

async function choose(
  { paths = [], all = false, changedSince }: LintOptions,
  { migrationsDirectory, searchPath, status }: ScopeFacts,
): Promise<{ name: Scope['name']; chosen: Chosen[] }> {
  if (changedSince !== undefined) {
    const changed = await changedSqlFiles(changedSince, migrationsDirectory, searchPath);
    return { name: 'changed', chosen: await ofChange(changed, migrationsDirectory) };
  }
  if (paths.length > 0) {
    const named = (await Promise.all(paths.map(filesNamed))).flat();
    return { name: 'named', chosen: await withHistory(named) };
  }
  const found = await migrationsIn(migrationsDirectory);
  if (all || !status) return { name: 'all', chosen: found.map((file) => ({ ...file, isJudged: true })) };
  const applied = new Set(status.applied);
  return {
    name: 'pending',
    chosen: found.map((file) => Object.assign(file, { isJudged: !applied.has(file.migration ?? '') })),
  };
}

/** The named files in their order, each behind the migrations that come before it. */
async function withHistory(named: readonly FoundFile[]): Promise<Chosen[]> {
  const chosen = new Map<string, Chosen>();
  const judged = new Set(named.map(({ file }) => file));
  for (const file of named) {
    for (const one of [...(await historyOf(file)), file]) {
      if (!chosen.has(one.file)) chosen.set(one.file, { ...one, isJudged: judged.has(one.file) });
    }
  }
  return [...chosen.values()];
}

/** Migrations among the changed files are judged; SQL that lies in no migrations directory is a finding itself. */
async function ofChange(changed: readonly string[], migrationsDirectory: string): Promise<Chosen[]> {
  const own = await realpath(migrationsDirectory);
  const isBelow = (file: string): boolean => !path.relative(own, file).startsWith('..');
  const isScript = (file: string): boolean => path.basename(file) === 'migration.sql';
  const migrations = changed
    .filter((file) => isScript(file) && (isBelow(file) || isAnothersMigration(file)))
    .map((file) => (isBelow(file) ? path.join(migrationsDirectory, path.relative(own, file)) : file))
    .map((file): FoundFile => ({ file, migration: path.basename(path.dirname(file)) }));
  const stray = changed.filter((file) => !isBelow(file) && !(isScript(file) && isAnothersMigration(file)));
  return [
    ...(await withHistory(migrations)),
    ...stray.map((file) => ({ file, migration: undefined, isJudged: true, isStray: true })),
  ];
}

/** A repository may hold more than one application: Prisma marks each one's directory of migrations. */
function isAnothersMigration(file: string): boolean {
  return existsSync(path.join(path.dirname(path.dirname(file)), 'migration_lock.toml'));
}
