import type { Client } from 'pg';
import type { Recording } from '../../audit-log/audit-log.types.js';
import { PGKEEP_VERSION } from '../../config/pgkeep-version.js';
import type { Settings } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import { PgkeepError } from '../../core/errors.js';
import { runConcurrently } from '../../core/process/concurrent.js';
import { readAppliedMigrations } from '../../migrations/history/prisma-history.js';
import { readCatalogue } from '../../postgres/catalogue/read-catalogue.js';
import { withConnection } from '../../postgres/connect.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { reachedServer } from '../../postgres/session.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { BackupReason, BackupReport, Manifest, ProgressListener } from '../backup.types.js';
import { archiveKey, manifestKey } from '../catalog/backup-name.js';
import { printManifest, writeText } from '../catalog/manifest.js';
import { takeName, UnfinishedRuns } from '../catalog/unfinished-runs.js';
import { notesOn, omissionTexts } from '../omission-texts.js';
import { findTool, libpqEnvironment } from '../postgres-tools.js';
import { verifyArchive } from '../verify/verify-backup.js';
import { ArchiveWriter, proofFor } from './archive-writer.js';
import { readCompleteness } from './completeness.js';
import { readDatabaseFacts } from './database-facts.js';
import { type DumpCommand, type Dumped, dumpWatched, LARGEST_HEADER, type Prepared } from './dump.js';
import { chooseCompression, gzipLevel, newerToolNotes, pgDumpArguments } from './pg-dump-arguments.js';
import { readObstacles, requireEnvironment, requireRoomFor, requireWhole } from './preflight.js';
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

/** What a run works with. */
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

/** What the snapshot says, and where its dump went. */
type Unfinished = Omit<Manifest, 'finishedAt'>;

interface Attempt {
  readonly manifest: Unfinished;
  readonly notes: readonly string[];
}

/** One backup, from the snapshot to the manifest. Whatever fails: nothing of it is left, and nothing listed. */
export class BackupRun {
  private readonly runs: UnfinishedRuns;
  private readonly startedAt: Date;
  /** Set once something may have been written. */
  private name: string | undefined;
  /** Of the snapshot; undefined until there is one. */
  private structureMark: string | undefined;
  /** The snapshot's versions of what pg_dump describes as it is now. */
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
      const notChecked = await this.requireAsDumped(dumped);
      const finishedAt = this.context.clock.now();
      const manifest: Manifest = { ...dumped, finishedAt: finishedAt.toISOString() };
      await this.context.beforePublish();
      await writeText(storage, manifestKey(dumped.name), printManifest(manifest), signal);
      await this.runs.commit(dumped.name);
      const durationMs = finishedAt.getTime() - this.startedAt.getTime();
      return committedReport(manifest, storage.location, { durationMs, cleared, notChecked, notes });
    } catch (error) {
      // The next run clears what this one cannot; the first failure is the one to tell.
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

  /** @param quietMs for how long nobody may change tables before it begins */
  private async attempt(client: Client, quietMs: number): Promise<Attempt> {
    const { settings, timeouts, storage } = this.context;
    this.structureMark = undefined;
    this.dumpedBytes = 0;
    const identity = await requireEnvironment(client, settings.environment, timeouts);
    const facts = await readDatabaseFacts(client);
    requireWhole(await readObstacles(client, facts), facts);
    const { searchPath } = settings;
    const pgDump = await findTool({ program: 'pg_dump', atLeastMajor: facts.serverMajor, searchPath });
    const lastBytes = await requireRoomFor(facts, storage, settings);
    const systemIdentifier = identity?.systemIdentifier ?? null;
    // From here on until pg_dump has its locks, every moment counts.
    const snapshot = await beginLockedSnapshot(client, { quietMs });
    try {
      this.structureMark = await readStructureMark(client);
      this.versions = await readVersions(client);
      return await this.dumpSnapshot(client, snapshot, { facts, pgDump, lastBytes, systemIdentifier });
    } finally {
      snapshot.release();
    }
  }

  /** A connection on which everything happens that needs the database. */
  private async connected<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { settings, signal } = this.context;
    const { url, connectTimeoutMs } = settings.database;
    // No deadline of the client's: a content hash of a large table takes its time.
    const options = { connectTimeoutMs, answerTimeoutMs: 0, applicationName: 'pgkeep backup' };
    return await withConnection(url, options, (client) => whileConnected(client, signal, () => work(client)));
  }

  /** Whether tables were changed as the dump began: pg_dump writes nothing until it has read the whole structure. */
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
    // Before the dump: sequences obey no snapshot, and must not be ahead of it.
    const sequences = await readSequences(client);
    const tables = await listTables(client, { unlogged: !facts.inRecovery });
    const name = (this.name = await takeName(client, facts.database, this.context));
    await this.runs.begin(name, 'backup', this.startedAt, signal);
    const writer = new ArchiveWriter(
      settings.backup,
      gzipLevel(compression),
      await proofFor(pgDump, settings, signal),
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

  /** Reads the stored bytes back, all of them: only then there is a backup. @returns what it could not look at. */
  private async requireAsDumped(dumped: Unfinished): Promise<readonly string[]> {
    const { storage, settings, signal, onProgress } = this.context;
    const { searchPath } = settings;
    const context = { ...settings.backup, searchPath, storage, signal, onProgress };
    const { findings, notChecked } = await verifyArchive(dumped.name, dumped, context);
    if (findings.length === 0) {
      return notChecked.map((text) => `${text} It was read whole before it was encrypted.`);
    }
    throw new PgkeepError(
      'BACKUP_FAILED',
      `The archive was read back from ${storage.location} and is not what was dumped: ${findings.map(({ details }) => details).join('; ')}.`,
      { hint: 'Check the disk or the network between; then run the backup again.' },
    );
  }
}

/** What a run tells; that it is recorded is told by whoever records it. */
type CommittedReport = Omit<BackupReport, keyof Recording>;

/** The report of a backup that is committed at a location. */
function committedReport(
  { name, archive, bytes, sha256, tables, encryption, without, warnings = [] }: Manifest,
  location: string,
  told: Pick<BackupReport, 'cleared' | 'notChecked' | 'notes' | 'durationMs'>,
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
    ...told,
  };
}
