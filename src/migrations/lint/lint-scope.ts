import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import type { MigrationStatus } from '../migrations.types.js';
import { digestOf, type MigrationSources } from './baseline.js';
import type { EditedFile } from './edited-files.js';
import {
  changedSqlFiles,
  filesNamed,
  type FoundFile,
  historyOf,
  migrationsIn,
  scriptOf,
} from './find-files.js';
import type { LintFile, LintOptions, LintRun } from './lint.types.js';

/** Where to look, and what is known. */
export interface ScopeFacts {
  readonly sources: MigrationSources;
  readonly searchPath: string;
  /** Undefined without a database. */
  readonly status: MigrationStatus | undefined;
  /** Of `status.edited`, those that were changed in more than their comments. */
  readonly edited: readonly EditedFile[];
}

/** The files to check, each after the migrations before it. */
export interface Scope {
  readonly name: LintRun['scope'];
  readonly files: readonly LintFile[];
  readonly baselined: number;
}

interface Chosen extends FoundFile {
  readonly isJudged: boolean;
  readonly isStray?: boolean;
  /** Whether the branch adds it, so that no database has applied it yet. Defaults to false. */
  readonly isAdded?: boolean;
}

/**
 * Finds the files and reads them.
 * @throws PgkeepError `MIGRATIONS_UNREADABLE`, or `USAGE_INVALID` for a path or a reference that is not there.
 */
export async function findScope(options: LintOptions, facts: ScopeFacts): Promise<Scope> {
  const { name, chosen } = await choose(options, facts);
  const { sources, status } = facts;
  const applied = new Set(status?.applied);
  const baseline = await sources.baseline();
  let baselined = 0;
  const files: LintFile[] = [];
  for (const { file, migration, isJudged, isStray = false, isNamed = false, isAdded = false } of chosen) {
    const content = sources.read(file);
    const listed = baseline.migrations.get(migration ?? '');
    const isKnown = isJudged && !isStray && !isNamed && content !== null && listed === digestOf(content);
    if (isKnown) baselined += 1;
    const isOwn = migration !== undefined && file === scriptOf(sources.directory, migration);
    files.push({
      path: path.relative(process.cwd(), file),
      content,
      ...(migration !== undefined && { migration }),
      isJudged: isJudged && !isKnown,
      isStray,
      ...(isAdded && { isPending: true }),
      ...(status && isOwn && { isPending: !applied.has(migration) }),
      ...(isOwn && editOf(migration, facts.edited)),
    });
  }
  return { name, files, baselined };
}

function editOf(
  migration: string,
  edited: readonly EditedFile[],
): Pick<LintFile, 'isEdited' | 'editAcceptedBecause'> {
  const edit = edited.find(({ name }) => name === migration);
  if (!edit) return {};
  const { acceptedBecause } = edit;
  return { isEdited: true, ...(acceptedBecause !== undefined && { editAcceptedBecause: acceptedBecause }) };
}

async function choose(
  { paths = [], all = false, changedSince }: LintOptions,
  { sources: { directory: migrationsDirectory }, searchPath, status }: ScopeFacts,
): Promise<{ name: Scope['name']; chosen: Chosen[] }> {
  if (changedSince !== undefined) {
    const changed = await changedSqlFiles(changedSince, migrationsDirectory, searchPath);
    const chosen = await ofChange(changed.files, migrationsDirectory);
    const isAdded = await addedBy(changed.added, migrationsDirectory);
    return {
      name: 'changed',
      chosen: chosen.map((one) => Object.assign(one, { isAdded: isAdded(one.file) })),
    };
  }
  if (paths.length > 0) {
    const named = (await Promise.all(paths.map(filesNamed))).flat();
    return { name: 'named', chosen: await withHistory(named) };
  }
  if (all || !status) {
    const found = await migrationsIn(migrationsDirectory);
    return { name: 'all', chosen: found.map((file) => Object.assign(file, { isJudged: true })) };
  }
  // Those of the status: a migration that was added to the directory since is not part of the plan.
  const pending = [...status.pending, ...status.failed, ...status.rolledBack];
  const isPending = new Set(pending);
  const chosen = [...status.applied, ...pending].toSorted().map((migration) => ({
    file: scriptOf(migrationsDirectory, migration),
    migration,
    isJudged: isPending.has(migration),
  }));
  return { name: 'pending', chosen };
}

/** Returns the named files in their order, each after the migrations before it. */
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

/** Returns the migrations among changed files, which are checked, and other SQL files, which are a finding themselves. */
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

async function addedBy(added: ReadonlySet<string>, directory: string): Promise<(file: string) => boolean> {
  const own = await realpath(directory);
  // git resolves symbolic links, and the path of the directory may contain one.
  return (file) => added.has(file) || added.has(path.join(own, path.relative(directory, file)));
}

/** Returns whether a file is a migration of another application in the repository: Prisma marks each directory. */
function isAnothersMigration(file: string): boolean {
  return existsSync(path.join(path.dirname(path.dirname(file)), 'migration_lock.toml'));
}
