import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Clock } from '../clock/clock.js';
import { PGKEEP_VERSION } from '../config/pgkeep-version.js';
import type { Settings } from '../config/settings.js';
import { withConnection } from '../database/connect.js';
import type { ReadTimeouts } from '../database/read.js';
import { readAppliedMigrations } from '../migrations/applied-migrations.js';
import { KeepError } from '../errors.js';
import { together } from '../process/together.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { ArchiveWriter, type ArchiveProof } from './archive-writer.js';
import { archiveKey, backupName, manifestKey } from './backup-name.js';
import { committedReport, type CommittedReport } from './backup-report.js';
import type { BackupReason, Manifest, ProgressListener } from './backup.types.js';
import { readDatabaseFacts } from './database-facts.js';
import { dumpInto, type DumpCommand, type Dumped } from './dump.js';
import { requireRoomFor } from './free-space.js';
import { requireEnvironment } from './environment-guard.js';
import { libpqEnvironment } from './libpq-environment.js';
import { printManifest, writeText } from './manifest.js';
import { chooseCompression, gzipLevel, pgDumpArguments } from './pg-dump-arguments.js';
import { findTool, type PostgresTool } from './postgres-tool.js';
import { notesOn } from './omission-texts.js';
import { readCompleteness } from './completeness.js';
import { readObstacles, requireWhole } from './preflight.js';
import { readCatalogue } from '../catalogue/read-catalogue.js';
import { readInPassing } from './read-in-passing.js';
import { keysHere, recipientsOf } from './seal/keys-here.js';
import { findSearchPathRisks } from './search-path-check.js';
import { beginSnapshot, whileConnected, type Snapshot } from './snapshot.js';
import {
  CONTENT_HASH_METHOD,
  listTables,
  lockTables,
  readContents,
  readSequences,
  type TablePlan,
} from './table-contents.js';
import { isUsed, UnfinishedRuns } from './unfinished-runs.js';
import { verifyArchive } from './verify-archive.js';

/** How often a name is tried again that another run of the same second has taken. */
const NAME_PAUSE_MS = 100;
const NAME_TRIES = 100;

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

  /** Everything that needs the database, on one connection. */
  private async dump(): Promise<Attempt> {
    const { settings, timeouts, signal } = this.context;
    const { url, connectTimeoutMs } = settings.database;
    // No deadline of the client's: a content hash of a large table takes its time.
    const options = { connectTimeoutMs, answerTimeoutMs: 0, applicationName: 'pgkeep backup' };
    return await withConnection(url, options, (client) =>
      whileConnected(client, signal, async () => {
        const identity = await requireEnvironment(client, settings.environment, timeouts);
        const snapshot = await beginSnapshot(client);
        try {
          return await this.dumpSnapshot(client, snapshot, identity?.systemIdentifier ?? null);
        } finally {
          snapshot.release();
        }
      }),
    );
  }

  private async dumpSnapshot(
    client: Client,
    snapshot: Snapshot,
    systemIdentifier: string | null,
  ): Promise<Attempt> {
    const { settings, storage, reason, origin = null, signal, onProgress } = this.context;
    const facts = await readDatabaseFacts(client);
    requireWhole(await readObstacles(client, facts), facts);
    const completeness = await readCompleteness(client, facts);
    const { searchPath } = settings;
    const pgDump = await findTool({ program: 'pg_dump', atLeastMajor: facts.serverMajor, searchPath });
    const lastBytes = await requireRoomFor(facts, storage, settings);
    const compression = chooseCompression(pgDump, settings.backup);
    const { format } = settings.backup;
    const plan = { snapshotId: snapshot.id, format, compression, fromStandby: facts.inRecovery };
    const command: DumpCommand = {
      program: 'pg_dump',
      file: pgDump.file,
      argv: pgDumpArguments(pgDump, plan),
      env: libpqEnvironment(settings.database.url, client, pgDump),
    };
    // Before the dump: sequences obey no snapshot, and must not be ahead of it.
    const sequences = await readSequences(client);
    const tables = await listTables(client, { unlogged: !facts.inRecovery });
    await lockTables(client, tables);
    const name = await this.takeName(client, facts.database);
    const writer = new ArchiveWriter(settings.backup, gzipLevel(compression), await this.proof(pgDump));
    const archive = archiveKey(name, writer.kind);
    const onBytes = (bytes: number): void =>
      onProgress?.({ phase: 'dumping', bytes, expectedBytes: lastBytes });
    const [{ stored, warnings }, contents] = await together<
      Dumped,
      Awaited<ReturnType<typeof this.readFacts>>
    >(
      signal,
      (either) => dumpInto(storage, archive, command, { writer, signal: either, onBytes }),
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
    return { manifest, notes: notesOn(manifest, facts, warnings) };
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

  /** The name of this second, or of the next that nobody else has taken; marked as at work. */
  private async takeName(client: Client, database: string): Promise<string> {
    const { settings, storage, clock, signal } = this.context;
    for (let tries = 0; tries < NAME_TRIES; tries += 1) {
      const name = backupName(database, settings.environment, clock.now());
      // The lock decides between two runs that both find the name free; it ends with the transaction.
      const { rows } = await client.query<{ taken: boolean }>(
        'SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 0)) AS taken',
        [`pgkeep backup ${name}`],
      );
      if (rows[0]?.taken === true && !(await isUsed(storage, name))) {
        this.name = name;
        await this.runs.begin(name, 'backup', this.startedAt, signal);
        return name;
      }
      await sleep(NAME_PAUSE_MS, undefined, { signal });
    }
    throw new KeepError('BACKUP_FAILED', `Cannot find a free name for a backup of "${database}".`, {
      hint: 'Check this machine’s clock.',
    });
  }

  /** What cannot be opened on this machine once it is encrypted is read by pg_restore on its way there. */
  private async proof({ major: atLeastMajor }: PostgresTool): Promise<ArchiveProof> {
    const { settings, signal } = this.context;
    const { enabled, key } = settings.backup.encryption;
    const here = enabled && key && (await keysHere('', recipientsOf(key), settings.backup.encryption));
    if (!here || 'keys' in here) return (archive) => archive;
    const { searchPath } = settings;
    const pgRestore = await findTool({ program: 'pg_restore', atLeastMajor, searchPath });
    return (archive) => readInPassing(archive, pgRestore, signal);
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
    throw new KeepError(
      'BACKUP_FAILED',
      `The archive was read back from ${storage.location} and is not what was dumped: ${findings.map(({ details }) => details).join('; ')}.`,
      { hint: 'Check the disk or the network between; then run the backup again.' },
    );
  }
}
