import type { Client } from 'pg';
import type { DatabaseUrl } from '../../config/database-url.js';
import { PgkeepError, serverMessageOf } from '../../core/errors.js';
import { ProgramFailure } from '../../core/process/program-failure.js';
import { runningFunction, searchPathAdvice } from '../../postgres/catalogue/unqualified-names.js';
import { withConnection } from '../../postgres/connect.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';
import type { Archive, RestoreTarget } from '../archive/archive.js';
import {
  type DeferredExtensions,
  deferredNotes,
  findDeferredExtensions,
} from '../archive/deferred-extensions.js';
import { settingsNote } from '../archive/dump-filters.js';
import { entryName } from '../archive/table-of-contents.js';
import { compareWith } from '../comparison/compare.js';
import { type Comparison, type Finding, joined, judged } from '../comparison/comparison.js';
import { despiteOptions, findingsOf } from '../comparison/despite.js';
import { FREE_DISK_SPACE } from '../server/free-space.js';
import { readRestored } from '../comparison/read-restored.js';
import { restoreConnection } from './restore-target.js';
import type { RestoreContext } from './restore.types.js';

/** What to do when a restore failed and there is no better advice. */
export const FIX_OR_CHOOSE_ANOTHER = 'Fix what the message reports, or restore another backup.';

/** An empty database, and the archive to restore into it. */
export interface FillPlan extends Omit<RestoreTarget, 'selection' | 'without'> {
  readonly archive: Archive;
  readonly needs: ArchiveNeeds;
}

/** The result. */
export interface Filled {
  readonly comparisons: readonly Comparison[];
  /** The findings that `--despite` accepted. */
  readonly accepted: readonly Finding[];
  readonly notes: readonly string[];
  /** Left out: they can be created only after the swap. */
  readonly deferred: DeferredExtensions;
}

/**
 * Restores into the new database, and compares it with the manifest.
 * @throws PgkeepError `RESTORE_FAILED` for a finding that was not accepted, `RESTORE_REFUSED` for a name in `--despite`
 *   that is not a finding.
 */
export async function restoreAndCompare(context: RestoreContext, plan: FillPlan): Promise<Filled> {
  const { source, progress, despite, target } = context;
  const { archive, needs, url } = plan;
  const deferred = await findDeferredExtensions(
    needs.extensions,
    () => archive.entries(),
    (work) => onRestored(context, url, work),
  );
  progress(`restoring ${source.name} into the new database "${url.database}"`);
  await archive
    .restore({ ...plan, without: (entry) => deferred.isDeferred(entry) || despite.isNamed(entry) })
    .catch((error: unknown) => explain(context, url, error));
  const refused = await tryNamedEntries(context, plan);
  progress('comparing the restored database with the backup');
  const { settings, signal } = context;
  const found = await readRestored(url, {
    connectTimeoutMs: settings.database.connectTimeoutMs,
    migrationsSchema: url.schema,
    signal,
  });
  const comparisons = [
    ...(refused.length === 0 ? [] : [judged('restore', '', { findings: refused })]),
    ...compareWith(source.manifest, found, {
      serverVersion: target.serverVersion,
      leftOut: deferred.reasons,
    }),
  ];
  const findings = findingsOf(comparisons);
  requireNamed(context, findings);
  const unchecked = source.manifest ? [] : ['the dump has no manifest: only its foreign keys were checked'];
  const reported = comparisons.flatMap(({ name, reported: texts }) =>
    texts.map((text) => `${name}: ${text}`),
  );
  const notes = [...deferredNotes(deferred), ...settingsNote(archive, target), ...unchecked, ...reported];
  return { comparisons, accepted: findings, notes, deferred };
}

/** Tries to restore the entries that `--despite` names: an entry that can be restored is not left out. */
async function tryNamedEntries(
  { despite, signal }: RestoreContext,
  { archive, ...target }: FillPlan,
): Promise<Finding[]> {
  if (despite.names.length === 0) return [];
  const findings: Finding[] = [];
  for (const named of (await archive.entries()).filter(despite.isNamed)) {
    const name = `restore:${entryName(named)}`;
    try {
      await archive.restore({ ...target, without: (entry) => entryName(entry) !== entryName(named) });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ProgramFailure)) throw error;
      findings.push({ name, details: `${entryName(named)} is left out: ${error.message}` });
    }
  }
  return findings;
}

function requireNamed({ source, target, despite }: RestoreContext, findings: readonly Finding[]): void {
  const unnamed = findings.filter(({ name }) => !despite.has(name));
  if (unnamed.length > 0) {
    const details = joined(unnamed.map((finding) => finding.details));
    throw new PgkeepError(
      'RESTORE_FAILED',
      `Did not restore ${source.name}: the restored database differs from the backup: ${details}. Database "${target.database}" was not changed.`,
      {
        hint: `Restore another backup: \`pgkeep backup list\` shows which ones passed a restore test.\nTo accept ${unnamed.length === 1 ? 'this difference' : 'these differences'} and restore the rest: \`pgkeep restore ${source.name} ${despiteOptions(findings)}\``,
      },
    );
  }
  despite.requireFound(source.name, findings);
}

async function explain(context: RestoreContext, url: DatabaseUrl, error: unknown): Promise<never> {
  const { source, target, signal } = context;
  signal.throwIfAborted();
  if (!(error instanceof ProgramFailure)) throw error;
  const message = `Cannot restore ${source.name}: ${error.message}. Database "${target.database}" was not changed.`;
  if (error.isDiskFull)
    throw new PgkeepError('RESTORE_FAILED', message, { hint: FREE_DISK_SPACE, cause: error });
  const running = runningFunction(error.end.stderrTail);
  const advice =
    running === undefined
      ? []
      : await onRestored(context, url, (client) => searchPathAdvice(client, [running]));
  throw new PgkeepError('RESTORE_FAILED', message, {
    hint: [
      ...(advice.length === 0 ? [FIX_OR_CHOOSE_ANOTHER] : advice),
      `To list everything that cannot be restored, and get the command that restores the rest: \`pgkeep restore test ${source.name}\`.`,
    ].join('\n'),
    cause: error,
  });
}

/** Runs `work` on a connection to the new database. */
async function onRestored<T>(
  { settings }: RestoreContext,
  url: DatabaseUrl,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  return await withConnection(url, restoreConnection(settings), work);
}

/**
 * Creates the extensions that were left out, after the swap.
 * @returns notes on what was created and what could not be.
 */
export async function createDeferred(
  { archive, ...target }: FillPlan,
  { reasons, isDeferred }: DeferredExtensions,
): Promise<string[]> {
  if (reasons.size === 0) return [];
  const names = [...reasons.keys()].join(', ');
  try {
    await archive.restore({ ...target, without: (entry) => !isDeferred(entry) });
    return [`extension ${names} was created after the swap, with the rows of its tables`];
  } catch (error) {
    // The swap is done, and the restore succeeded without it.
    return [
      `extension ${names} could not be created after the swap either (${serverMessageOf(error)}): only the replaced database has it`,
    ];
  }
}
