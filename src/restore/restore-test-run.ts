import type { ArchiveFile } from '../backup/archive-file.js';
import type { Manifest } from '../backup/backup.types.js';
import type { Clock } from '../clock/clock.js';
import type { Settings } from '../config/settings.js';
import type { ReadTimeouts } from '../database/read.js';
import type { DatabaseIdentity } from '../environment/environment.types.js';
import { KeepError, serverMessageOf } from '../errors.js';
import { Archive } from './archive.js';
import { compareRestored } from './compare.js';
import { databaseOptions } from './database-options.js';
import { bytesNeeded } from './free-space.js';
import { settingsNote } from './known-settings.js';
import { leftOut } from './left-out.js';
import { readRestored } from './read-restored.js';
import type { Comparison, Evidence } from './restore.types.js';
import { withScratch } from './scratch.js';
import type { Scratch, ScratchServer } from './scratch.types.js';
import { majorOf } from './server-version.js';
import { startThrowAwayServer } from './throw-away-server.js';

/** What a test works with. */
export interface TestContext {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly timeouts: ReadTimeouts;
  /** The guarded database, where it answers. */
  readonly guarded: DatabaseIdentity | undefined;
  /** Aborted by the caller, or by the test's own limit. */
  readonly signal: AbortSignal;
}

/** What a test found: the part of the evidence that comes out of the restored database. */
export interface TestFindings extends Pick<
  Evidence,
  'comparisons' | 'tables' | 'notes' | 'restoreMs' | 'compareMs' | 'restoredTo'
> {
  readonly serverVersion: string | null;
  readonly pgRestoreVersion: string | null;
}

/**
 * Restores one whole archive into a scratch database, and compares. What is wrong with the backup is a finding.
 * @throws KeepError where no restore could be tried: `SCRATCH_UNAVAILABLE`, `RESTORE_REFUSED`,
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
    this.comparisons.push({
      name: 'archive',
      ok: true,
      details: `${manifest.bytes.toLocaleString('en-US')} bytes, sha256 as in the manifest`,
    });
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
        roles: needs.roles,
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
        await this.restoreAndCompare(archive, scratch);
        const { serverVersion, kind: restoredTo } = scratch;
        return this.findings({ ...found, serverVersion, restoredTo });
      });
    } finally {
      await server.close();
    }
  }

  private async restoreAndCompare(archive: Archive, scratch: Scratch): Promise<void> {
    this.notes.push(...scratch.notes, ...leftOut(this.archiveFile.manifest, archive));
    const restored = await this.timed(() => archive.restore(scratch)).catch((error: unknown) =>
      this.fail('restore', error),
    );
    this.notes.push(...settingsNote(archive, scratch));
    if (restored === undefined) return;
    this.restoreMs = restored.durationMs;
    const took = `${archive.program} ended well after ${(restored.durationMs / 1000).toFixed(1)} s`;
    this.comparisons.push({ name: 'restore', ok: true, details: took });
    const { settings, signal } = this.context;
    const compared = await this.timed(async () => {
      const found = await readRestored(scratch.url, {
        connectTimeoutMs: settings.database.connectTimeoutMs,
        migrationsSchema: settings.database.url.schema,
        signal,
      });
      return compareRestored(this.archiveFile.manifest, found);
    }).catch((error: unknown) => this.fail('contents', error));
    if (compared === undefined) return;
    this.compareMs = compared.durationMs;
    this.comparisons.push(...compared.result.comparisons);
    this.tables = compared.result.tables;
  }

  /** A failure of the restore is a finding; an interruption is none, and neither is a machine that lacks a part. */
  private fail(name: Comparison['name'], error: unknown): undefined {
    this.context.signal.throwIfAborted();
    if (error instanceof KeepError) throw error;
    this.comparisons.push({ name, ok: false, details: serverMessageOf(error) });
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
