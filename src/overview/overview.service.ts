import path from 'node:path';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import { readEmbeddedLocation, STATE_DIRECTORY } from '../cluster/embedded-location.js';
import { BackupService } from '../backup/backup.service.js';
import { type DatabaseUrl, parseDatabaseUrl } from '../config/database-url.js';
import { PGKEEP_VERSION } from '../config/pgkeep-version.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { reportOf } from '../drift/drift.service.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';
import { MigrationsService } from '../migrations/migrations.service.js';
import type { MonitoringReport } from '../monitoring/monitoring.types.js';
import { MonitoringService } from '../monitoring/monitoring.service.js';
import { MonitorWatch } from '../monitoring/watch/monitor-watch.js';
import { withDeadline } from '../postgres/deadline.js';
import { DriftWatch } from '../readiness/drift-watch.js';
import { ReadinessMonitor } from '../readiness/readiness-monitor.js';
import { RestoreTestService } from '../restore/test/restore-test.service.js';
import { StatsService } from '../stats/stats.service.js';
import { attentionOf } from './attention.js';
import { KeptFact } from './kept-fact.js';
import { monitoringOf, upcomingOf } from './monitoring-state.js';
import type { AuditLogState, Fact, Overview } from './overview.types.js';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;

/** How long each fact is taken as it is while pages are open. */
const PERIODS = {
  jobs: 10 * SECOND_MS,
  migrations: 15 * SECOND_MS,
  auditLog: 15 * SECOND_MS,
  // Listing a bucket costs money.
  backups: MINUTE_MS,
  stats: MINUTE_MS,
  restoreTests: 5 * MINUTE_MS,
  chain: 60 * MINUTE_MS,
  look: MINUTE_MS,
} as const;

/** The first view waits this long for the facts. */
const FIRST_MS = 2000;
/** For this long after they were wanted, the tables are read again. */
const TABLES_MS = 5 * MINUTE_MS;
const STOP_MS = 1000;
const ENTRIES_SHOWN = 100;

type FactName = Exclude<keyof typeof PERIODS, 'chain' | 'look'>;

/**
 * Puts together what the dashboard shows, from memory. While pages are open, the facts are read again in the background,
 * one after the other, each at its own pace; while nothing asks for an overview, nothing is read.
 */
@Injectable()
export class OverviewService implements BeforeApplicationShutdown {
  private readonly facts: { readonly [Name in FactName]: KeptFact<NonNullable<Overview[Name]['value']>> };
  private readonly chain: KeptFact<NonNullable<AuditLogState['chain']>>;
  /** What the probes see where no sample is taken in the background. */
  private readonly look: KeptFact<MonitoringReport>;
  private refreshing: Promise<void> | undefined;
  private isStopping = false;
  private readonly isDemo: boolean;
  private wasRead = false;
  private runStates = '';
  private tablesUntilMs = -Infinity;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly readiness: ReadinessMonitor,
    private readonly driftWatch: DriftWatch,
    private readonly watch: MonitorWatch,
    backups: BackupService,
    restoreTests: RestoreTestService,
    maintenance: MaintenanceService,
    migrations: MigrationsService,
    stats: StatsService,
    auditLog: AuditLogService,
    monitoring: MonitoringService,
  ) {
    const keep = <T>(periodMs: number, read: () => Promise<T>): KeptFact<T> =>
      new KeptFact(read, clock, periodMs);
    this.isDemo = isEmbedded(settings.database.url);
    this.look = keep(PERIODS.look, async () => await monitoring.look());
    this.chain = keep(PERIODS.chain, async () => await auditLog.verify());
    this.facts = {
      jobs: keep(PERIODS.jobs, async () => await maintenance.overview()),
      migrations: keep(PERIODS.migrations, async () => (await migrations.requireStatus()).status),
      auditLog: keep(PERIODS.auditLog, async () => {
        const entries = await auditLog.list(ENTRIES_SHOWN);
        await this.chain.refresh();
        return { ...entries, chain: this.chain.latest.value };
      }),
      backups: keep(PERIODS.backups, async () => await backups.list()),
      stats: keep(PERIODS.stats, async () => await stats.collect('estimated')),
      restoreTests: keep(PERIODS.restoreTests, async () => await restoreTests.list()),
    };
  }

  /**
   * Returns the newest overview, from memory. Only the first call waits for the facts, at most two seconds: what is not
   * read by then is missing in it, and in a later one.
   * @param withTables whether each table is wanted: reading them takes seconds where there are 10,000
   */
  async latest({ withTables = false } = {}): Promise<Overview> {
    if (withTables) this.tablesUntilMs = this.clock.monotonicMs() + TABLES_MS;
    const refreshing = this.refresh();
    if (!this.wasRead) await withDeadline(refreshing, FIRST_MS).catch(() => undefined);
    return this.put(await this.readiness.verdict());
  }

  /** Makes the next overview read a fact again: an action has changed it. */
  expire(...names: FactName[]): void {
    for (const name of names) this.facts[name].expire();
  }

  /** Waits for a reading that is under way: it may still use the database, which closes next. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (this.refreshing) await withDeadline(this.refreshing, STOP_MS).catch(() => undefined);
  }

  /** Reads the facts whose period is over, or waits for the reading that is under way. */
  private async refresh(): Promise<void> {
    if (this.isStopping) return;
    this.refreshing ??= this.readFacts().finally(() => {
      this.refreshing = undefined;
      this.wasRead = true;
    });
    await this.refreshing;
  }

  /** The storage may hang, so it is asked beside the database, which is asked one question at a time. */
  private async readFacts(): Promise<void> {
    const { backups, jobs, migrations, auditLog, restoreTests, stats } = this.facts;
    await jobs.refresh();
    this.expireAfterRun();
    const storage = backups.refresh();
    const areTablesWanted = this.clock.monotonicMs() < this.tablesUntilMs;
    for (const fact of [migrations, restoreTests, auditLog, ...(areTablesWanted ? [stats] : [])]) {
      if (this.isStopping) break;
      await fact.refresh();
    }
    if (!this.settings.monitoring.enabled && !this.isStopping) await this.look.refresh();
    await storage;
  }

  /** What a job has done is shown as soon as its run has ended, whichever replica it was on. */
  private expireAfterRun(): void {
    const runs = this.facts.jobs.latest.value?.jobs.flatMap((job) => job.runs) ?? [];
    const states = runs.map(({ id, state }) => `${id} ${state}`).join();
    if (states === this.runStates) return;
    this.runStates = states;
    this.expire('backups', 'restoreTests', 'auditLog');
  }

  private put(verdict: Overview['verdict']): Overview {
    const { settings, facts } = this;
    const now = this.clock.now();
    const { enabled, intervalMs } = settings.monitoring;
    const sample = this.watch.latest();
    const report = enabled ? sample?.report : (this.look.latest.value ?? undefined);
    const monitoring = monitoringOf({
      now,
      intervalMs: enabled ? intervalMs : PERIODS.look,
      report,
      down: sample?.down,
    });
    const findings = enabled ? sample?.findings : report?.findings;
    return {
      version: PGKEEP_VERSION,
      database: settings.database.url.database,
      environment: settings.environment,
      serverVersion: monitoring.report?.version ?? null,
      takenAt: now.toISOString(),
      isDemo: this.isDemo,
      verdict,
      attention: attentionOf(verdict, findings ?? []),
      codes: monitoring.report?.codes ?? 0,
      upcoming: upcomingOf(report?.forecasts ?? []),
      monitoring,
      backups: facts.backups.latest,
      restoreTests: facts.restoreTests.latest,
      jobs: facts.jobs.latest,
      migrations: facts.migrations.latest,
      drift: this.drift(),
      stats: facts.stats.latest,
      auditLog: facts.auditLog.latest,
      contacts: settings.alerts.contacts,
    };
  }

  /** The readiness checks look for drift already. */
  private drift(): Fact<NonNullable<Overview['drift']['value']>> {
    const look = this.driftWatch.facts()?.look;
    if (look === undefined) return { value: null, readAt: null, fault: null };
    if ('reason' in look) return { value: null, readAt: null, fault: look.reason };
    return { value: reportOf(look.value, null), readAt: this.clock.now().toISOString(), fault: null };
  }
}

/** Returns whether a database is the embedded one of this directory: the demo. */
function isEmbedded({ hosts: [host], database }: DatabaseUrl): boolean {
  const location = readEmbeddedLocation(path.resolve(STATE_DIRECTORY));
  if (!location) return false;
  const embedded = parseDatabaseUrl(location.url);
  return embedded.database === database && embedded.hosts[0]?.port === host?.port;
}
