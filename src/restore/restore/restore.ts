import type { Client } from 'pg';
import { operator } from '../../audit-log/append.js';
import type { BackupService } from '../../backup/backup.service.js';
import { omissionTexts } from '../../backup/omissions.js';
import { type DatabaseUrl, describeDatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import { PgkeepError, serverMessageOf } from '../../core/errors.js';
import { ProgramFailure } from '../../core/process/program-failure.js';
import type { StampReading } from '../../environment/environment.types.js';
import { readStamp, requireStamp } from '../../environment/stamp.js';
import { MigrationDirectory } from '../../migrations/history/migration-directory.js';
import type { ConnectionOptions } from '../../postgres/candidate-client.js';
import { withConnection } from '../../postgres/connect.js';
import { databaseError } from '../../postgres/database-fault.js';
import type { DatabaseService } from '../../postgres/database.service.js';
import { read, tableExists } from '../../postgres/read.js';
import type { LedgerEntry } from '../../privacy/ledger/ledger-entry.js';
import type { ErasuresSince } from '../../privacy/replay/plan-replay.js';
import type { ReplayService } from '../../privacy/replay/replay.service.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';
import { Despite } from '../comparison/despite.js';
import { FREE_DISK_SPACE, requireSpaceToRestore } from '../server/free-space.js';
import { requireRestorable, requireSuperuserFor } from '../server/requirements.js';
import {
  otherSubject,
  refused,
  requireAbilities,
  requireConsentForOther,
  requireNotOlder,
  requireProductionConsent,
  requireSwappable,
} from './refusals.js';
import { ledgerSubject, readAt } from './erasures-since.js';
import { FIX_OR_CHOOSE_ANOTHER } from './restore-and-compare.js';
import { RestoreRun } from './restore-run.js';
import { findSource, peekNeeds, type RestoreSource } from './restore-source.js';
import { restoreTables } from './restore-tables.js';
import { onMaintenance, readTarget, restoreConnection, type RestoreTarget } from './restore-target.js';
import type { Restoration, RestoreOptions, RestorePlan, TablesRestoration } from './restore.types.js';

/** The services that a restore uses. */
interface Services {
  readonly settings: Settings;
  readonly backups: BackupService;
  readonly clock: Clock;
  readonly database: DatabaseService;
  readonly knownNeeds: Map<string, ArchiveNeeds>;
  readonly erasures: ReplayService;
}

/** What is known before anything is changed. */
interface Situation {
  readonly source: RestoreSource;
  readonly target: RestoreTarget;
  /** Undefined if there is no database, or it cannot be read. */
  readonly stamp: StampReading | undefined;
  readonly lastRestoreMs: number | null;
  readonly maintenance: Client;
  readonly maintenanceUrl: DatabaseUrl;
  /** Undefined if the archive cannot be read before it is fetched. */
  readonly needs: ArchiveNeeds | undefined;
  /** The `<database>_<environment>` of a backup of another database or environment. */
  readonly other: string | undefined;
  /** What was erased since the backup; null where that is not asked. */
  readonly erasures: ErasuresSince | null;
}

/** Of a database that does not exist or cannot be read. */
const UNREAD = { stamp: undefined, lastRestoreMs: null };

/** Plans and performs one restore. */
export class Restore {
  private readonly signal: AbortSignal;
  private readonly despite: Despite;

  constructor(
    private readonly services: Services,
    private readonly options: RestoreOptions,
  ) {
    this.signal = options.signal ?? new AbortController().signal;
    this.despite = new Despite(options.despite ?? []);
  }

  /** @throws PgkeepError as `RestoreService.plan`. */
  async plan(): Promise<RestorePlan> {
    return await this.withExplainedErrors(() =>
      this.withSituation(async ({ source, target, lastRestoreMs, needs, other, erasures }) => {
        const { settings } = this.services;
        const { manifest } = source;
        const applied = manifest?.migrations?.map(({ name }) => name) ?? [];
        const directory = await new MigrationDirectory(settings.migrationsDirectory).read();
        const known = 'code' in directory ? applied : directory.map(({ name }) => name);
        return {
          source: source.name,
          finishedAt: manifest?.finishedAt ?? null,
          bytes: manifest?.bytes ?? null,
          tables: manifest?.tables.length ?? null,
          rows: manifest?.tables.reduce((sum, { rows }) => sum + rows, 0) ?? null,
          without: omissionTexts(manifest?.without),
          server: `PostgreSQL ${target.serverVersion} at ${describeDatabaseUrl(settings.database.url)}`,
          database: target.database,
          environment: settings.environment,
          exists: target.oid !== undefined,
          sizeBytes: target.sizeBytes ?? null,
          other: other ?? null,
          missingMigrations: manifest ? known.filter((name) => !applied.includes(name)) : [],
          unknownMigrations: applied.filter((name) => !known.includes(name)),
          lastRestoreMs,
          isProduction: settings.environment === 'production',
          despite: this.despite.names,
          erasures,
          notChecked: needs
            ? null
            : 'owners, grants and extensions (the archive cannot be read before it is fetched)',
        };
      }),
    );
  }

  /** @throws PgkeepError as `RestoreService.restore`. */
  async perform(): Promise<Restoration> {
    return await this.withExplainedErrors(() =>
      this.withSituation(async ({ source, target, stamp, maintenance, maintenanceUrl, needs, other }) => {
        const { settings, backups, clock, erasures } = this.services;
        requireProductionConsent(settings.environment, target, this.options);
        const { noOwner = false, withoutSafetyBackup = false, actor = operator() } = this.options;
        const { progress = () => undefined } = this.options;
        const context = {
          settings,
          backups,
          clock,
          source,
          target,
          targetAnswers: stamp !== undefined,
          maintenanceUrl,
          noOwner,
          withoutSafetyBackup,
          withoutErasures: this.options.withoutErasures === true,
          erasures,
          other,
          despite: this.despite,
          needs,
          progress,
          actor,
          signal: this.signal,
        };
        return await new RestoreRun(context, maintenance).perform();
      }),
    );
  }

  /** @throws PgkeepError as `RestoreService.restoreTables`. */
  async tables(chosen: { tables: readonly string[]; into: string }): Promise<TablesRestoration> {
    const { settings, backups, clock } = this.services;
    const { progress = () => undefined, source: typed } = this.options;
    return await this.withExplainedErrors(async () => {
      const source = await findSource(typed, { backups, settings: settings.backup });
      return await this.onMaintenance(async (maintenance, maintenanceUrl) => {
        const target = await readTarget(maintenance, settings.database.url.database);
        requireAbilities({ ...target, ownsTarget: true });
        requireNotOlder(source, target);
        const context = { settings, clock, source, target, maintenanceUrl, progress, signal: this.signal };
        const erased = await this.entriesSince(source, target);
        return await restoreTables(context, maintenance, { ...chosen, erased });
      });
    });
  }

  /** Refuses what can be refused, before anything is changed. */
  private async withSituation<T>(work: (situation: Situation) => Promise<T>): Promise<T> {
    const { settings, backups } = this.services;
    const { source: typed } = this.options;
    const source = await findSource(typed, { backups, settings: settings.backup });
    const url = settings.database.url;
    return await this.onMaintenance(async (maintenance, maintenanceUrl) => {
      const target = await readTarget(maintenance, url.database);
      requireAbilities(target);
      requireNotOlder(source, target);
      await requireSpaceToRestore(maintenance, source.manifest, settings.restore);
      const facts = { source, target, despite: this.despite, noOwner: this.options.noOwner === true };
      // The manifest is enough for this check; the archive is read below.
      await requireSuperuserFor(maintenance, facts);
      const { stamp, lastRestoreMs } = target.oid === undefined ? UNREAD : await this.readOldDatabase();
      requireStamp(stamp, settings.environment, refused);
      const other = otherSubject(source.manifest, target, settings.environment);
      requireConsentForOther(other, target, this.options);
      const erasures = await this.erasuresSince(source, other === undefined && stamp !== undefined);
      const needs = await peekNeeds(source, { ...this.services, signal: this.signal });
      await requireSwappable(maintenance, target);
      this.despite.requireKnown(source.name, source.manifest);
      if (needs) await requireRestorable(maintenance, facts, needs);
      const known = { source, target, stamp, lastRestoreMs, needs, other, erasures };
      return await work({ ...known, maintenance, maintenanceUrl });
    });
  }

  /**
   * Reads the stamp and the last restore test. A damaged database cannot be read: it is replaced only with
   * `--without-safety-backup`, because its stamp is not checked and its records are not carried over.
   */
  private async readOldDatabase(): Promise<Pick<Situation, 'stamp' | 'lastRestoreMs'>> {
    const { timeouts } = this.services.database;
    const { url } = this.services.settings.database;
    return await withConnection(url, this.connection, async (client) => {
      const stamp = await readStamp(client, timeouts);
      const table = { schema: 'pgkeep', table: 'restore_test' };
      if (!(await tableExists(client, table, timeouts))) return { stamp, lastRestoreMs: null };
      const rows = await read<{ ms: string | null }>(client, {
        sql: `SELECT evidence->>'restoreMs' AS ms FROM pgkeep.restore_test
               WHERE verdict = 'passed' ORDER BY id DESC LIMIT 1`,
        ...timeouts,
      });
      return { stamp, lastRestoreMs: rows[0]?.ms ? Number(rows[0].ms) : null };
    }).catch((error: unknown) => {
      if (this.options.withoutSafetyBackup === true) return UNREAD;
      throw new PgkeepError(
        'RESTORE_REFUSED',
        `Refused to restore: database "${url.database}" exists but cannot be read: ${serverMessageOf(error)}. Nothing was changed.`,
        {
          hint: 'Fix that, or replace it without reading it: `--without-safety-backup`. It is kept under another name in any case.',
          cause: error,
        },
      );
    });
  }

  /** Reads what was erased since a backup of tables: from the database in use, if there is one, and from the copies. */
  private async entriesSince(
    source: RestoreSource,
    { oid }: Pick<RestoreTarget, 'oid'>,
  ): Promise<LedgerEntry[]> {
    if (this.options.withoutErasures === true) return [];
    const { erasures, settings } = this.services;
    const subject = ledgerSubject(source.manifest);
    const readFrom = async (database: Client | undefined): Promise<LedgerEntry[]> =>
      await erasures.since(readAt(source.manifest), { database, subject });
    if (oid === undefined) return await readFrom(undefined);
    return await withConnection(settings.database.url, this.connection, readFrom).catch(() =>
      readFrom(undefined),
    );
  }

  /** @param fromDatabase whether the database that is replaced can be read, and is of the same subject */
  private async erasuresSince(source: RestoreSource, fromDatabase: boolean): Promise<ErasuresSince | null> {
    if (this.options.withoutErasures === true) return null;
    const { erasures, settings } = this.services;
    const subject = ledgerSubject(source.manifest);
    const count = async (database: Client | undefined): Promise<ErasuresSince> =>
      await erasures.countSince(readAt(source.manifest), { database, subject });
    if (!fromDatabase) return await count(undefined);
    return await withConnection(settings.database.url, this.connection, count);
  }

  private async onMaintenance<T>(work: (client: Client, url: DatabaseUrl) => Promise<T>): Promise<T> {
    return await onMaintenance(this.services.settings.database.url, this.connection, work);
  }

  private get connection(): ConnectionOptions {
    return restoreConnection(this.services.settings);
  }

  private async withExplainedErrors<T>(work: () => Promise<T>): Promise<T> {
    const { source } = this.options;
    const { database } = this.services.settings.database.url;
    try {
      return await work();
    } catch (error) {
      if (this.signal.aborted) {
        throw new PgkeepError(
          'INTERRUPTED',
          `Interrupted: did not restore ${source}. Database "${database}" was not changed.`,
          { cause: error },
        );
      }
      if (error instanceof PgkeepError) throw error;
      if (error instanceof ProgramFailure) {
        throw new PgkeepError(
          'RESTORE_FAILED',
          `Cannot restore ${source}: ${error.message}. Database "${database}" was not changed.`,
          { hint: error.isDiskFull ? FREE_DISK_SPACE : FIX_OR_CHOOSE_ANOTHER, cause: error },
        );
      }
      throw databaseError(
        `restore ${source} into ${describeDatabaseUrl(this.services.settings.database.url)}`,
        error,
      );
    }
  }
}
