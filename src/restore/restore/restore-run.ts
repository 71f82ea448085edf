import { type Client, escapeIdentifier } from 'pg';
import { appendPlan } from '../../audit-log/append.js';
import { backupError } from '../../backup/backup-error.js';
import { omissionTexts } from '../../backup/omissions.js';
import { majorOf } from '../../backup/postgres-tools.js';
import type { DatabaseUrl } from '../../config/database-url.js';
import { PgkeepError, serverMessageOf } from '../../core/errors.js';
import { OWN_MIGRATIONS_DIRECTORY, OWN_SCHEMA } from '../../migrations/history/migration-directory.js';
import { applyMigrations } from '../../migrations/schema-engine.js';
import type { ConnectionOptions } from '../../postgres/candidate-client.js';
import { CandidateRotation } from '../../postgres/candidate-rotation.js';
import { connectOnce, withConnection } from '../../postgres/connect.js';
import { isPooled } from '../../postgres/session.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';
import { Archive } from '../archive/archive.js';
import { readSettingNames } from '../archive/dump-filters.js';
import { leftOut } from '../archive/table-of-contents.js';
import { applyProperties, databaseOptions, localeOf, readProperties } from '../server/database-properties.js';
import { MarkedDatabases, replacedName, RESTORING_NAME, restoringName } from '../server/marked-databases.js';
import { requireRestorable } from '../server/requirements.js';
import { carryOver, hasRecords, restamp } from './carry-over.js';
import { createDeferred, type Filled, restoreAndCompare } from './restore-and-compare.js';
import { ErasuresSince, ledgerSubject } from './erasures-since.js';
import { restoreConnection } from './restore-target.js';
import type { Restoration, RestoreContext } from './restore.types.js';
import { swap } from './swap.js';

/** No restore takes longer: an older database is the leftover of a killed one on another host. */
const LONGEST_RESTORE_MS = 7 * 24 * 3_600_000;

/** One restore: into a new database, which then replaces the old one. If anything fails, the old one is not changed. */
export class RestoreRun {
  private readonly startedAt: Date;
  private readonly notes: string[] = [];
  private readonly erasures: ErasuresSince;

  /** @param maintenance a connection to another database of the server */
  constructor(
    private readonly context: RestoreContext,
    private readonly maintenance: Client,
  ) {
    this.startedAt = context.clock.now();
    this.erasures = new ErasuresSince(context, this.notes);
  }

  async perform(): Promise<Restoration> {
    const { source, signal, settings, target, progress } = this.context;
    const marked = new MarkedDatabases(this.maintenance, {
      madeBy: 'pgkeep restore',
      name: RESTORING_NAME,
      longestMs: LONGEST_RESTORE_MS,
    });
    for (const left of await marked.dropLeftovers(this.startedAt)) {
      progress(`dropped "${left}", the leftover of a killed restore`);
    }
    return await source.withFile(signal, async (file) => {
      const archive = await Archive.open(file, {
        atLeastMajor: source.manifest ? majorOf(source.manifest.toolVersions.pgDump) : undefined,
        searchPath: settings.searchPath,
        signal,
      });
      const needs = this.context.needs ?? (await archive.needs());
      const withOwners = await this.requirePossible(archive, needs);
      const restored = restoringName(target.database, this.startedAt);
      // Before the long safety backup: a locale that this server does not have refuses the restore here.
      await marked.create(restored, await this.optionsOf(needs), this.startedAt);
      try {
        const safetyBackup = await this.backUpTarget();
        const { host, port, user } = this.maintenance;
        const server = { host, port, user, isPooled: isPooled(this.maintenance) };
        const plan = {
          archive,
          needs,
          url: this.urlOf(restored),
          server,
          serverVersion: target.serverVersion,
          serverSettings: await readSettingNames(this.maintenance),
          withOwners,
        };
        const filled = await restoreAndCompare(this.context, plan);
        this.notes.push(...filled.notes, ...leftOut(source.manifest, archive));
        const replaced = await this.takePlace(restored, filled);
        this.notes.push(
          ...(await createDeferred({ ...plan, url: this.urlOf(target.database) }, filled.deferred)),
        );
        return this.report(replaced, safetyBackup, filled);
      } catch (error) {
        await this.dropRestored(restored);
        throw error;
      }
    });
  }

  /** Refuses what can be refused, before anything long begins. @returns whether owners are restored, too. */
  private async requirePossible(archive: Archive, needs: ArchiveNeeds): Promise<boolean> {
    const { source, despite } = this.context;
    if (despite.names.length > 0) {
      despite.requireKnown(source.name, source.manifest);
      despite.requireEntries(source.name, await archive.entries());
    }
    return await requireRestorable(this.maintenance, this.context, needs);
  }

  /** Backs up the old database: what was written since the restored backup is only there. */
  private async backUpTarget(): Promise<string | null> {
    const { target, source, backups, signal, progress, withoutSafetyBackup } = this.context;
    if (target.oid === undefined) return null;
    progress(`backing up "${target.database}" before it is replaced`);
    try {
      const origin = source.manifest ? source.name : undefined;
      return (await backups.create({ reason: 'pre-restore', origin, signal })).name;
    } catch (error) {
      const cause = backupError(`back up "${target.database}"`, error, signal);
      if (signal.aborted) throw cause;
      if (withoutSafetyBackup) {
        this.notes.push(`the replaced database was not backed up: ${cause.message}`);
        return null;
      }
      throw new PgkeepError(
        'RESTORE_FAILED',
        `Did not restore: database "${target.database}" could not be backed up first. ${cause.message} It was not changed.`,
        {
          hint: 'Fix that, or restore without this backup: `--without-safety-backup`. The old database is kept under another name in any case.',
          cause: error,
        },
      );
    }
  }

  private async optionsOf(needs: ArchiveNeeds): Promise<string> {
    const { source, target } = this.context;
    const owner = target.owner === undefined ? '' : ` OWNER = ${escapeIdentifier(target.owner)}`;
    return (
      databaseOptions(needs, source.manifest ?? (await localeOf(this.maintenance, target.database))) + owner
    );
  }

  /** Swaps the databases. @returns the name under which the old one is kept; null if there was none. */
  private async takePlace(restored: string, { accepted }: Filled): Promise<string | null> {
    const { target, targetAnswers, progress, signal } = this.context;
    await this.installRecords(restored);
    await this.eraseAgain(restored);
    const { database, oid } = target;
    const replaced = replacedName(database, this.startedAt);
    let comment: string | null = null;
    if (oid !== undefined) {
      const properties = await readProperties(this.maintenance, { from: database, to: restored });
      this.notes.push(...(await applyProperties(this.maintenance, properties)));
      comment = properties.comment;
      progress(`swapping: the old database "${database}" becomes "${replaced}"`);
    }
    signal.throwIfAborted();
    await this.onMaintenance(async (terminator) => {
      const connections = {
        renamer: this.maintenance,
        terminator,
        openReplaced: targetAnswers ? () => this.open(database) : undefined,
        openRestored: () => this.open(restored),
      };
      await swap({ database, oid, restored, replaced, comment }, connections, (client, old) =>
        this.recordAction(client, old, { replaced, accepted }),
      );
    });
    return oid === undefined ? null : replaced;
  }

  private async eraseAgain(restored: string): Promise<void> {
    const { target, targetAnswers } = this.context;
    const replaying = (replaced: Client | undefined): Promise<void> =>
      withConnection(this.urlOf(restored), this.connection, (client) =>
        this.erasures.replay(client, replaced),
      );
    if (target.oid === undefined || !targetAnswers) await replaying(undefined);
    else await withConnection(this.urlOf(target.database), this.connection, replaying);
  }

  /** Updates schema pgkeep of the restored database, if either has records: it must accept the newer ones. */
  private async installRecords(restored: string): Promise<void> {
    const { target, targetAnswers } = this.context;
    const names = [restored, ...(targetAnswers ? [target.database] : [])];
    const found = await Promise.all(
      names.map((name) => withConnection(this.urlOf(name), this.connection, hasRecords)),
    );
    const { erasures, withoutErasures, source } = this.context;
    const hasCopies = !withoutErasures && (await erasures.hasCopies(ledgerSubject(source.manifest)));
    if (!found.includes(true) && !hasCopies) return;
    await withConnection(this.urlOf(restored), this.connection, (client) => this.erasures.look(client));
    await applyMigrations({
      database: { ...this.urlOf(restored), schema: OWN_SCHEMA },
      directory: OWN_MIGRATIONS_DIRECTORY,
    });
  }

  /** Writes the newer records, the stamp and this restore, in one transaction of the restored database. */
  private async recordAction(
    restored: Client,
    old: Client | undefined,
    { replaced, accepted }: { replaced: string } & Pick<Filled, 'accepted'>,
  ): Promise<void> {
    const { source, target, settings, actor, clock } = this.context;
    if (!(await hasRecords(restored))) return;
    if (old) await this.erasures.replayRest(restored, old);
    const carried = old ? await carryOver(old, restored) : [];
    for (const { table } of carried.filter(({ hasOtherHistory }) => hasOtherHistory)) {
      this.notes.push(`${table} was not carried over: the restored database has another history`);
    }
    await restamp(restored, old, { environment: settings.environment, now: clock.now() });
    const { sql, values } = appendPlan({
      action: 'restore',
      subject: target.database,
      details: {
        backup: source.name,
        archiveSha256: source.manifest?.sha256 ?? null,
        from: source.manifest?.environment ?? null,
        replaced: target.oid === undefined ? null : replaced,
        carriedOver: carried.reduce((sum, { entries }) => sum + entries, 0),
        ...(this.erasures.counts === null
          ? { withoutErasures: true }
          : { erasures: { ...this.erasures.counts } }),
        ...(accepted.length === 0 ? {} : { despite: accepted.map(({ name }) => name) }),
      },
      actor,
    });
    await restored.query(sql, [...values]);
  }

  private async dropRestored(name: string): Promise<void> {
    const drop = `DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`;
    // The first failure is the one to report.
    await this.onMaintenance((client) => client.query(drop)).catch((error: unknown) => {
      this.context.progress(
        `could not drop "${name}" (${serverMessageOf(error)}); the next restore drops it`,
      );
    });
  }

  private report(
    replaced: string | null,
    safetyBackup: string | null,
    { comparisons, accepted }: Filled,
  ): Restoration {
    const { source, target, clock } = this.context;
    return {
      source: source.name,
      database: target.database,
      replaced,
      safetyBackup,
      without: omissionTexts(source.manifest?.without),
      comparisons,
      accepted,
      erasures: this.erasures.counts,
      notes: this.notes,
      durationMs: clock.now().getTime() - this.startedAt.getTime(),
    };
  }

  /** Returns the URL of a database on the server that was reached: the next host of a list may be another server. */
  private urlOf(database: string): DatabaseUrl {
    const { host, port } = this.maintenance;
    return { ...this.context.settings.database.url, hosts: [{ host, port }], database };
  }

  private get connection(): ConnectionOptions {
    return restoreConnection(this.context.settings);
  }

  private async open(database: string): Promise<Client> {
    return await connectOnce(new CandidateRotation(this.urlOf(database)), this.connection);
  }

  private async onMaintenance<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return await withConnection(this.context.maintenanceUrl, this.connection, work);
  }
}
