import type { Client } from 'pg';
import type { Recording } from '../../audit-log/audit-log.types.js';
import { PGKEEP_VERSION } from '../../config/pgkeep-version.js';
import type { Settings } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import { PgkeepError } from '../../core/errors.js';
import { runConcurrently } from '../../core/process/concurrent.js';
import { readAppliedMigrations } from '../../migrations/history/prisma-history.js';
import { TABLES_WITHOUT_ROWS } from '../../postgres/catalogue/own-relations.js';
import { readCatalogue } from '../../postgres/catalogue/read-catalogue.js';
import { withConnection } from '../../postgres/connect.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { reachedServer } from '../../postgres/session.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { BackupReason, BackupReport, Manifest, ProgressListener } from '../backup.types.js';
import { archiveKey, manifestKey } from '../catalog/backup-name.js';
import { printManifest, writeText } from '../catalog/manifest.js';
import { takeName, UnfinishedRuns } from '../catalog/unfinished-runs.js';
import { notesOn, omissionTexts, readCompleteness } from '../omissions.js';
import { findTool, libpqEnvironment } from '../postgres-tools.js';
import { verifyArchive } from '../verify/verify-backup.js';
import { readDatabaseFacts } from './database-facts.js';
import {
  archiveCheckFor,
  ArchiveWriter,
  type DumpCommand,
  type Dumped,
  dumpWatched,
  LARGEST_HEADER,
  type Prepared,
} from './dump.js';
import { chooseCompression, gzipLevel, newerToolNotes, pgDumpArguments } from './pg-dump-arguments.js';
import { readObstacles, requireComplete, requireEnvironment, requireFreeSpace } from './preflight.js';
import { findSearchPathRisks } from './search-path-risks.js';
import { beginLockedSnapshot, type Snapshot, whileConnected } from './snapshot.js';
import {
  isChanging,
  readStructureMark,
  readVersions,
  ReplacedWhileDumped,
  requireVersions,
  retryDisturbed,
} from './structure-changes.js';
import {
  CONTENT_HASH_METHOD,
  listTables,
  readContents,
  readSequences,
  type TablePlan,
} from './table-contents.js';

/** The inputs of a run. */
export interface RunContext {
  readonly settings: Settings;
  readonly storage: BackupStorage;
  readonly clock: Clock;
  readonly timeouts: ReadTimeouts;
  readonly reason: BackupReason;
  /** See `BackupOptions.origin`. */
  readonly origin?: string | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal: AbortSignal;
  readonly beforePublish: () => Promise<void>;
}

/** The manifest of a backup that is not committed yet. */
type Unfinished = Omit<Manifest, 'finishedAt'>;

interface Attempt {
  readonly manifest: Unfinished;
  readonly notes: readonly string[];
}

/** Makes one backup, from the snapshot to the manifest. If anything fails, nothing of it is left. */
export class BackupRun {
  private readonly runs: UnfinishedRuns;
  private readonly startedAt: Date;
  /** Set as soon as something may have been written. */
  private name: string | undefined;
  /** The structure in the snapshot; undefined until there is one. */
  private structureMark: string | undefined;
  /** The versions, in the snapshot, of objects that pg_dump reads in their current state. */
  private versions: readonly string[] = [];
  private dumpedBytes = 0;

  constructor(private readonly context: RunContext) {
    this.runs = new UnfinishedRuns(context.storage);
    this.startedAt = context.clock.now();
  }

  async perform(): Promise<CommittedReport> {
    const { storage, signal } = this.context;
    const cleared = await this.runs.clear();
    try {
      const { manifest: dumped, notes } = await this.dump();
      const notChecked = await this.verify(dumped);
      const finishedAt = this.context.clock.now();
      const manifest: Manifest = { ...dumped, finishedAt: finishedAt.toISOString() };
      await this.context.beforePublish();
      await writeText(storage, manifestKey(dumped.name), printManifest(manifest), signal);
      await this.runs.commit(dumped.name);
      const durationMs = finishedAt.getTime() - this.startedAt.getTime();
      return committedReport(manifest, storage.location, { durationMs, cleared, notChecked, notes });
    } catch (error) {
      // The first failure is reported. If the removal fails too, the next run clears the files.
      if (this.name !== undefined) await this.runs.discard(this.name).catch(() => undefined);
      throw error;
    }
  }

  private async dump(): Promise<Attempt> {
    return await retryDisturbed({
      attempt: (quietMs) => this.connected((client) => this.attempt(client, quietMs)),
      wasDisturbed: (error) => this.wasDisturbed(error),
      discard: async () => {
        if (this.name !== undefined) await this.runs.discard(this.name);
      },
    });
  }

  /** @param quietMs for how long no session may change tables before the dump begins */
  private async attempt(client: Client, quietMs: number): Promise<Attempt> {
    const { settings, timeouts, storage } = this.context;
    this.structureMark = undefined;
    this.dumpedBytes = 0;
    const identity = await requireEnvironment(client, settings.environment, timeouts);
    const facts = await readDatabaseFacts(client);
    requireComplete(await readObstacles(client, facts), facts);
    const { searchPath } = settings;
    const pgDump = await findTool({ program: 'pg_dump', atLeastMajor: facts.serverMajor, searchPath });
    const lastBytes = await requireFreeSpace(facts, storage, settings);
    const systemIdentifier = identity?.systemIdentifier ?? null;
    // Time matters from here until pg_dump has its locks.
    const snapshot = await beginLockedSnapshot(client, { quietMs });
    try {
      this.structureMark = await readStructureMark(client);
      this.versions = await readVersions(client);
      return await this.dumpSnapshot(client, snapshot, { facts, pgDump, lastBytes, systemIdentifier });
    } finally {
      snapshot.release();
    }
  }

  /** Runs `work` on a new connection, which is cut when the run is aborted. */
  private async connected<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { settings, signal } = this.context;
    const { url, connectTimeoutMs } = settings.database;
    // No deadline on the client's side: hashing the contents of a large table takes long.
    const options = { connectTimeoutMs, answerTimeoutMs: 0, applicationName: 'pgkeep backup' };
    return await withConnection(url, options, (client) => whileConnected(client, signal, () => work(client)));
  }

  /** Returns whether tables changed while the dump began. pg_dump writes nothing before it has read all the structure. */
  private async wasDisturbed(error: unknown): Promise<boolean> {
    const { structureMark: mark, dumpedBytes } = this;
    if (error instanceof ReplacedWhileDumped) return true;
    if (this.context.signal.aborted || error instanceof PgkeepError || mark === undefined) return false;
    if (dumpedBytes > LARGEST_HEADER) return false;
    return await this.connected((client) => isChanging(client, mark));
  }

  private async dumpSnapshot(
    client: Client,
    snapshot: Snapshot,
    { facts, pgDump, lastBytes, systemIdentifier }: Prepared,
  ): Promise<Attempt> {
    const { settings, storage, reason, origin = null, signal, onProgress } = this.context;
    const completeness = await readCompleteness(client, facts);
    const { searchPath } = settings;
    const compression = chooseCompression(pgDump, settings.backup);
    const { format } = settings.backup;
    const plan = { snapshotId: snapshot.id, format, compression, fromStandby: facts.inRecovery };
    const command: DumpCommand = {
      program: 'pg_dump',
      file: pgDump.file,
      argv: pgDumpArguments(pgDump, plan),
      env: await libpqEnvironment(settings.database.url, reachedServer(client), pgDump),
    };
    // Before the dump: sequences are not part of a snapshot, and the manifest must not be ahead of the dump.
    const sequences = await readSequences(client);
    const tables = await listTables(client, { unlogged: !facts.inRecovery });
    const name = (this.name = await takeName(client, facts.database, this.context));
    await this.runs.begin(name, 'backup', this.startedAt, signal);
    const writer = new ArchiveWriter(
      settings.backup,
      gzipLevel(compression),
      await archiveCheckFor(pgDump, settings, signal),
    );
    const archive = archiveKey(name, writer.kind);
    const onBytes = (bytes: number): void => {
      this.dumpedBytes = bytes;
      onProgress?.({ phase: 'dumping', bytes, expectedBytes: lastBytes });
    };
    const requireUnchanged = async (): Promise<void> =>
      await this.connected((other) => requireVersions(other, this.versions));
    const [{ stored, warnings }, contents] = await runConcurrently<
      Dumped,
      Awaited<ReturnType<typeof this.readFacts>>
    >(
      signal,
      (either) =>
        dumpWatched(storage, archive, command, { writer, signal: either, onBytes, requireUnchanged }),
      (either) => whileConnected(client, either, () => this.readFacts(client, tables)),
    );
    const manifest: Unfinished = {
      formatVersion: 1,
      name,
      archive,
      environment: settings.environment,
      reason,
      origin,
      database: facts.database,
      databaseOid: facts.databaseOid,
      databaseBytes: facts.sizeBytes,
      systemIdentifier,
      serverVersion: facts.serverVersion,
      toolVersions: { pgkeep: PGKEEP_VERSION, pgDump: pgDump.version },
      encoding: facts.encoding,
      collation: facts.collation,
      characterType: facts.characterType,
      locale: facts.locale,
      startedAt: this.startedAt.toISOString(),
      snapshotId: snapshot.id,
      format,
      compression,
      ...stored,
      contentHashMethod: CONTENT_HASH_METHOD,
      sequences,
      tablesWithoutRows: TABLES_WITHOUT_ROWS,
      ...contents,
      ...completeness,
    };
    const newer = await newerToolNotes(pgDump, facts, searchPath);
    return { manifest, notes: [...notesOn(manifest, facts, warnings), ...newer] };
  }

  private async readFacts(
    client: Client,
    plans: readonly TablePlan[],
  ): Promise<Pick<Manifest, 'tables' | 'catalogue' | 'migrations' | 'warnings'>> {
    const warnings = await findSearchPathRisks(client);
    const catalogue = await readCatalogue(client);
    const migrations = await readAppliedMigrations(client, this.context.settings.database.url.schema);
    const tables = await readContents(client, plans);
    return { catalogue, migrations: migrations ?? null, tables, warnings };
  }

  /** Verifies all the stored bytes before the backup is committed. @returns what could not be verified. */
  private async verify(dumped: Unfinished): Promise<readonly string[]> {
    const { storage, settings, signal, onProgress } = this.context;
    const { searchPath } = settings;
    const context = { ...settings.backup, searchPath, storage, signal, onProgress };
    const { findings, notChecked } = await verifyArchive(dumped.name, dumped, context);
    if (findings.length === 0) {
      return notChecked.map((text) => `${text} It was verified before it was encrypted.`);
    }
    throw new PgkeepError(
      'BACKUP_FAILED',
      `The archive in ${storage.location} failed verification: ${findings.map(({ details }) => details).join('; ')}.`,
      { hint: 'No backup was kept. Check the disk or the network, then run the backup again.' },
    );
  }
}

/** The report of a run, without whether it was recorded in the audit log. */
type CommittedReport = Omit<BackupReport, keyof Recording>;

/** Returns the report of a backup that is committed at a location. */
function committedReport(
  { name, archive, bytes, sha256, tables, encryption, without, warnings = [] }: Manifest,
  location: string,
  details: Pick<BackupReport, 'cleared' | 'notChecked' | 'notes' | 'durationMs'>,
): CommittedReport {
  return {
    name,
    archive: `${location}/${archive}`,
    manifest: `${location}/${manifestKey(name)}`,
    bytes,
    sha256,
    tables: tables.length,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    encrypted: encryption !== null,
    without: omissionTexts(without),
    warnings,
    locations: [location],
    ...details,
  };
}
