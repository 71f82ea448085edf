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
import { type Comparison, type Finding, judged } from '../comparison/comparison.js';
import { despiteOptions, findingsOf } from '../comparison/despite.js';
import { MAKE_ROOM } from '../server/free-space.js';
import { readRestored } from '../comparison/read-restored.js';
import type { RestoreContext } from './restore.types.js';

/** What to do where a restore failed, and no other advice is known. */
export const MEND = 'Mend what the message says, or take another backup.';

/** An empty database, and the archive that goes into it. */
export interface FillPlan extends Omit<RestoreTarget, 'selection' | 'without'> {
  readonly archive: Archive;
  readonly needs: ArchiveNeeds;
}

/** What came of it. */
export interface Filled {
  readonly comparisons: readonly Comparison[];
  /** Findings that the person who restores named beforehand. */
  readonly accepted: readonly Finding[];
  readonly notes: readonly string[];
  /** Left out: they can only be made in the database that has the name. */
  readonly deferred: DeferredExtensions;
}

/**
 * Restores into the empty database beside, and compares it with the manifest.
 * @throws PgkeepError `RESTORE_FAILED` for a finding that was not named, `RESTORE_REFUSED` for a name that is no finding.
 */
export async function fillRestored(context: RestoreContext, plan: FillPlan): Promise<Filled> {
  const { source, progress, despite, target } = context;
  const { archive, needs, url } = plan;
  const deferred = await findDeferredExtensions(
    needs.extensions,
    () => archive.entries(),
    (work) => onRestored(context, url, work),
  );
  progress(`restoring ${source.name} into "${url.database}", beside it`);
  await archive
    .restore({ ...plan, without: (entry) => deferred.isDeferred(entry) || despite.isNamed(entry) })
    .catch((error: unknown) => explain(context, url, error));
  const refused = await tryNamedEntries(context, plan);
  progress('comparing what was restored with what was backed up');
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
  const unchecked = source.manifest ? [] : ['a dump without a manifest: only its foreign keys were checked'];
  const reported = comparisons.flatMap(({ name, reported: texts }) =>
    texts.map((text) => `${name}: ${text}`),
  );
  const notes = [...deferredNotes(deferred), ...settingsNote(archive, target), ...unchecked, ...reported];
  return { comparisons, accepted: findings, notes, deferred };
}

/** An entry that was named must be one that cannot be restored: nothing is left out that could be had. */
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
    const details = unnamed.map((finding) => `${finding.name.split(':')[0]}: ${finding.details}`);
    throw new PgkeepError(
      'RESTORE_FAILED',
      `Did not restore ${source.name}: what came out of it is not what was backed up: ${details.join('; ')}. Database "${target.database}" was not touched.`,
      {
        hint: `Take another backup: \`pgkeep backup list\` shows which ones passed a restore test.\nTo restore this one despite ${unnamed.length === 1 ? 'that' : 'all of that'}: \`pgkeep restore ${source.name} ${despiteOptions(findings)}\``,
      },
    );
  }
  despite.requireFound(source.name, findings);
}

async function explain(context: RestoreContext, url: DatabaseUrl, error: unknown): Promise<never> {
  const { source, target, signal } = context;
  signal.throwIfAborted();
  if (!(error instanceof ProgramFailure)) throw error;
  const message = `Cannot restore ${source.name}: ${error.message}. Database "${target.database}" was not touched.`;
  if (error.isDiskFull) throw new PgkeepError('RESTORE_FAILED', message, { hint: MAKE_ROOM, cause: error });
  const running = runningFunction(error.end.stderrTail);
  const advice =
    running === undefined
      ? []
      : await onRestored(context, url, (client) => searchPathAdvice(client, [running]));
  throw new PgkeepError('RESTORE_FAILED', message, {
    hint: [
      ...(advice.length === 0 ? [MEND] : advice),
      `To see everything that does not restore, and the command that restores the rest: \`pgkeep restore test ${source.name}\`.`,
    ].join('\n'),
    cause: error,
  });
}

/** Runs `work` on a connection to the database that is filled. */
async function onRestored<T>(
  { settings }: RestoreContext,
  url: DatabaseUrl,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { connectTimeoutMs } = settings.database;
  const connection = { connectTimeoutMs, answerTimeoutMs: 0, applicationName: 'pgkeep restore' };
  return await withConnection(url, connection, work);
}

/**
 * Makes what is deferred to the name of the database, which the restored one has now.
 * @returns what could not be made there, for the report: the restore stands.
 */
export async function createDeferred(
  { archive, ...target }: FillPlan,
  { reasons, isDeferred }: DeferredExtensions,
): Promise<string[]> {
  if (reasons.size === 0) return [];
  const names = [...reasons.keys()].join(', ');
  try {
    await archive.restore({ ...target, without: (entry) => !isDeferred(entry) });
    return [`extension ${names} was made after the swap, with the rows of its tables`];
  } catch (error) {
    // Whatever it was: the names have changed hands, and the restore stands.
    return [
      `extension ${names} could not be made after the swap either (${serverMessageOf(error)}): the replaced database has it still`,
    ];
  }
}
