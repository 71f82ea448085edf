import type { Client } from 'pg';
import type { Manifest } from '../../backup/backup.types.js';
import type { ArchiveFile } from '../../backup/copies/archive-file.js';
import { majorOf } from '../../backup/postgres-tools.js';
import type { Settings } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import { PgkeepError, serverMessageOf } from '../../core/errors.js';
import { formatCount } from '../../core/text.js';
import type { DatabaseIdentity } from '../../environment/environment.types.js';
import { searchPathAdvice } from '../../postgres/catalogue/unqualified-names.js';
import { withConnection } from '../../postgres/connect.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';
import { Archive, type RestoreTarget } from '../archive/archive.js';
import {
  type DeferredExtensions,
  deferredNotes,
  findDeferredExtensions,
} from '../archive/deferred-extensions.js';
import { settingsNote } from '../archive/dump-filters.js';
import { describeFault, type RestoreFault } from '../archive/restore-fault.js';
import { leftOut } from '../archive/table-of-contents.js';
import { compareRestored } from '../comparison/compare.js';
import { type Comparison, failedComparison, finding, judged } from '../comparison/comparison.js';
import { readRestored } from '../comparison/read-restored.js';
import { databaseOptions } from '../server/database-properties.js';
import { bytesNeeded } from '../server/free-space.js';
import type { Evidence, Scratch, ScratchServer } from './restore-test.types.js';
import { withScratch } from './scratch-database.js';
import { startThrowAwayServer } from './throw-away-server.js';

/** PostgreSQL's message about an unknown name. pg_restore does not pass on the SQLSTATE. */
const NOT_FOUND = / does not exist/;
/** A server without disk space or memory is not asked to restore the rest. */
const EXHAUSTED = /No space left on device|Disk quota exceeded|out of (?:shared )?memory/;

/** Everything that one test needs. */
export interface TestContext {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly timeouts: ReadTimeouts;
  /** The guarded database; undefined if it does not answer. */
  readonly guarded: DatabaseIdentity | undefined;
  /** Aborted by the caller, or by the time limit. */
  readonly signal: AbortSignal;
}

/** The part of the evidence that the restored database determines. */
export interface TestFindings extends Pick<
  Evidence,
  'comparisons' | 'tables' | 'notes' | 'restoreMs' | 'compareMs' | 'restoredTo'
> {
  readonly serverVersion: string | null;
  readonly pgRestoreVersion: string | null;
}

/**
 * Restores one archive completely into a scratch database, and compares it. A fault of the backup is a finding.
 * @throws PgkeepError if no restore was possible: `SCRATCH_UNAVAILABLE`, `RESTORE_REFUSED`,
 *   `BACKUP_TOOLS_MISSING`, `DATABASE_…`; the signal's reason.
 */
export class RestoreTestRun {
  private readonly comparisons: Comparison[] = [];
  private readonly notes: string[] = [];
  private tables: TestFindings['tables'] = [];
  private restoreMs: number | null = null;
  private compareMs: number | null = null;

  constructor(
    private readonly context: TestContext,
    private readonly archiveFile: ArchiveFile,
  ) {}

  async perform(): Promise<TestFindings> {
    const { settings, signal, clock } = this.context;
    const { manifest, file } = this.archiveFile;
    this.comparisons.push(
      judged('archive', `${formatCount(manifest.bytes)} bytes, sha256 matches the manifest`),
    );
    const atLeastMajor = majorOf(manifest.toolVersions.pgDump);
    const archive = await Archive.open(file, { atLeastMajor, searchPath: settings.searchPath, signal });
    const needs = await archive.needs().catch((error: unknown) => this.fail('restore', error));
    const found = { pgRestoreVersion: archive.tool.version };
    const kind = settings.restore.testUrl === undefined ? 'throw-away cluster' : 'fresh database';
    if (!needs) return this.findings({ ...found, serverVersion: null, restoredTo: kind });
    const server = await this.openServer();
    try {
      const plan = {
        databaseOptions: databaseOptions(needs, manifest),
        bytesNeeded: this.bytesNeeded,
        needs,
        name: manifest.name,
        manifest,
      };
      const options = {
        plan,
        guarded: [this.context.guarded, identityOf(manifest)].filter((identity) => identity !== undefined),
        connectTimeoutMs: settings.database.connectTimeoutMs,
        timeouts: this.context.timeouts,
        longestMs: settings.restore.testTimeoutMs,
        now: clock.now(),
      };
      return await withScratch(server, options, async (scratch) => {
        await this.restoreAndCompare(archive, needs, scratch);
        const { serverVersion, kind: restoredTo } = scratch;
        return this.findings({ ...found, serverVersion, restoredTo });
      });
    } finally {
      await server.close();
    }
  }

  private async restoreAndCompare(archive: Archive, needs: ArchiveNeeds, scratch: Scratch): Promise<void> {
    const deferred = await findDeferredExtensions(
      needs.extensions,
      () => archive.entries(),
      (work) => this.onScratch(scratch, work),
    );
    this.notes.push(...scratch.notes, ...deferredNotes(deferred));
    const target = { ...scratch, without: deferred.isDeferred };
    const restored = await this.timed(() => archive.restore(target)).catch((error: unknown) =>
      this.restoreRest(archive, { scratch, target }, error),
    );
    this.notes.push(...leftOut(this.archiveFile.manifest, archive));
    this.notes.push(...settingsNote(archive, scratch));
    if (restored === 'nothing') return;
    if (restored !== 'in part') {
      this.restoreMs = restored.durationMs;
      const took = `${archive.program} succeeded in ${(restored.durationMs / 1000).toFixed(1)} s`;
      this.comparisons.push(judged('restore', took));
    }
    await this.compare(scratch, deferred);
  }

  private async compare(scratch: Scratch, { reasons }: DeferredExtensions): Promise<void> {
    const { settings, signal } = this.context;
    const compared = await this.timed(async () => {
      const found = await readRestored(scratch.url, {
        connectTimeoutMs: settings.database.connectTimeoutMs,
        migrationsSchema: settings.database.url.schema,
        signal,
      });
      return compareRestored(this.archiveFile.manifest, found, reasons);
    }).catch((error: unknown) => this.fail('contents', error));
    if (compared === undefined) return;
    this.compareMs = compared.durationMs;
    this.comparisons.push(...compared.result.comparisons);
    this.tables = compared.result.tables;
    const reported = compared.result.comparisons.filter((comparison) => comparison.reported.length > 0);
    if (reported.length > 0) {
      const where = reported.map((comparison) => `${comparison.name} (${comparison.reported.length})`);
      this.notes.push(`differences that no restore can avoid: ${where.join(', ')}`);
    }
  }

  /** After a failed restore, restores what can be restored, to report what the backup still contains. */
  private async restoreRest(
    archive: Archive,
    { scratch, target }: { scratch: Scratch; target: RestoreTarget },
    error: unknown,
  ): Promise<'nothing' | 'in part'> {
    this.fail('restore', error);
    if (EXHAUSTED.test(serverMessageOf(error))) return 'nothing';
    const { faults, advice } = await this.tryRest(archive, { scratch, target });
    if (faults.length === 0) return 'nothing';
    const [failure] = this.comparisons.splice(-1);
    this.comparisons.push({
      ...(failure ?? failedComparison('restore', serverMessageOf(error))),
      findings: faults.map((fault) => finding('restore', fault.entry ?? 'unknown', describeFault(fault))),
    });
    this.notes.push(...advice);
    return 'in part';
  }

  /** @returns no faults if that failed, too: the first failure is reported then. */
  private async tryRest(
    archive: Archive,
    { scratch, target }: { scratch: Scratch; target: RestoreTarget },
  ): Promise<{ faults: readonly RestoreFault[]; advice: readonly string[] }> {
    try {
      await scratch.renew();
      const faults = await archive.restoreWhatCan(target, scratch.renew);
      const running = faults.flatMap(({ running: name, message }) =>
        name !== undefined && NOT_FOUND.test(message) ? [name] : [],
      );
      return { faults, advice: await this.onScratch(scratch, (client) => searchPathAdvice(client, running)) };
    } catch {
      this.context.signal.throwIfAborted();
      return { faults: [], advice: [] };
    }
  }

  private async onScratch<T>({ url }: Scratch, work: (client: Client) => Promise<T>): Promise<T> {
    const { connectTimeoutMs } = this.context.settings.database;
    const connection = { connectTimeoutMs, answerTimeoutMs: 0, applicationName: 'pgkeep restore test' };
    return await withConnection(url, connection, work);
  }

  /** Records a failure of the restore as a finding. @throws an interruption, or the PgkeepError of a missing tool or server. */
  private fail(name: Comparison['name'], error: unknown): undefined {
    this.context.signal.throwIfAborted();
    if (error instanceof PgkeepError) throw error;
    this.comparisons.push(failedComparison(name, serverMessageOf(error)));
  }

  private async timed<T>(work: () => Promise<T>): Promise<{ result: T; durationMs: number }> {
    const started = performance.now();
    const result = await work();
    return { result, durationMs: Math.round(performance.now() - started) };
  }

  private findings(
    known: Pick<TestFindings, 'serverVersion' | 'pgRestoreVersion' | 'restoredTo'>,
  ): TestFindings {
    const { comparisons, tables, notes, restoreMs, compareMs } = this;
    return { comparisons, tables, notes, restoreMs, compareMs, ...known };
  }

  private get bytesNeeded(): number | undefined {
    return bytesNeeded(this.archiveFile.manifest, this.context.settings.restore.requiredFreeBytes);
  }

  private async openServer(): Promise<ScratchServer> {
    const { settings, clock } = this.context;
    const { testUrl, testTimeoutMs } = settings.restore;
    if (testUrl) return { url: testUrl, isThrowAway: false, close: () => Promise.resolve() };
    const { serverVersion, catalogue } = this.archiveFile.manifest;
    return await startThrowAwayServer(majorOf(serverVersion), {
      searchPath: settings.searchPath,
      now: clock.now(),
      longestMs: testTimeoutMs,
      bytesNeeded: this.bytesNeeded,
      relations: catalogue.relations.length + catalogue.indexes.length,
    });
  }
}

function identityOf({ systemIdentifier, databaseOid }: Manifest): DatabaseIdentity | undefined {
  return systemIdentifier === null ? undefined : { systemIdentifier, databaseOid };
}
